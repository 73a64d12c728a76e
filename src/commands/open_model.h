// The window model behind a bundle's verdicts, on the device that --device names. Thread rule: a free function.
#pragma once

#include <memory>
#include <string>

#include "anomctl/detection/bundle.h"

namespace anomctl {

// auto and cpu: the native engine, no libtorch in the process. cuda, cuda:N: libtorch; throws UsageError where there is
// no such GPU.
std::shared_ptr<const WindowModel> open_model(const Bundle& bundle, const std::string& device);

}  // namespace anomctl
