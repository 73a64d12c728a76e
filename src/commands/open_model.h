// The window model behind a bundle's verdicts, on the device that --device names. Thread rule: free functions.
#pragma once

#include <memory>
#include <string>

#include "anomctl/detection/bundle.h"

namespace anomctl {

// Throws UsageError for a device that is none, or that this machine does not have. auto and cpu need no look.
void check_device(const std::string& device);
// auto and cpu: the native engine, no libtorch in the process, on `threads` threads (0: one a core). cuda, cuda:N:
// libtorch; throws UsageError where there is no such GPU.
std::shared_ptr<const WindowModel> open_model(const Bundle& bundle, const std::string& device, int threads = 0);

}  // namespace anomctl
