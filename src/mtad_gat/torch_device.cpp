#include "mtad_gat/torch_device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <fmt/core.h>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

int gpu_count() {
  try {
    return at::globalContext().hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().deviceCount()) : 0;
  } catch (const std::exception&) {
    return 0;  // a driver that is missing or too old
  }
}

}  // namespace

at::Device choose_device(const std::string& text) {
  const int gpus = gpu_count();
  if (text == "cpu" || (text == "auto" && gpus == 0)) return at::Device(at::kCPU);
  if (text == "auto") return at::Device(at::kCUDA, 0);
  int index = 0;
  if (text != "cuda") {
    if (!text.starts_with("cuda:") || text.size() > 8 || text.find_first_not_of("0123456789", 5) != std::string::npos ||
        text.size() == 5) {
      throw UsageError(fmt::format("--device '{}' is none of auto, cpu, cuda, cuda:N", text));
    }
    index = std::stoi(text.substr(5));
  }
  if (index >= gpus) {
    // hasCUDA() asks for a GPU, too.
    const char* why = !at::CUDAHooksRegistry()->Has("CUDAHooks")
                          ? "this libtorch was loaded without CUDA (scripts/setup --cuda installs it)"
                      : gpus == 0 ? "the driver shows no GPU (is it installed, and new enough?)"
                                  : "there are fewer GPUs";
    throw UsageError(fmt::format("--device {}: {}; use --device cpu or auto", text, why));
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

std::vector<std::string> usable_devices() {
  std::vector<std::string> out = {"cpu"};
  for (int i = 0; i < gpu_count(); ++i) out.push_back(fmt::format("cuda:{}", i));
  return out;
}

std::string device_name(const at::Device& device) { return device.str(); }

}  // namespace anomctl
