// Which device a setting means. Thread rule: free functions.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace anomctl {

// "auto" takes the first GPU, else the CPU. Throws UsageError for a GPU that is not there, saying why.
at::Device choose_device(const std::string& text);
std::vector<std::string> usable_devices();
// Why there is no GPU, or none with a high number, in words.
std::string why_no_gpu();
// The same from what is known. `driver`: the newest CUDA version that the driver serves (13000 is 13.0), 0 without a driver;
// `needed`: libtorch's, 0 where it was loaded without CUDA.
std::string why_no_gpu(long driver, long needed, int gpus);
std::string device_name(const at::Device& device);

}  // namespace anomctl
