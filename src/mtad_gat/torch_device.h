// Which device a setting means. Thread rule: free functions.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace anomctl {

// "auto" takes the first GPU, else the CPU. Throws UsageError for a GPU that is not there, saying why.
at::Device choose_device(const std::string& text);
std::vector<std::string> usable_devices();
std::string device_name(const at::Device& device);

}  // namespace anomctl
