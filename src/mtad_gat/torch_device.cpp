#include "mtad_gat/torch_device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
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

// As the driver's own library says it: libtorch tells one that is too old from none in a warning only.
long driver_version() {
  int version = 0;
  if (void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL)) {
    if (auto* ask = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDriverGetVersion"));
        ask == nullptr || ask(&version) != 0)
      version = 0;
    dlclose(driver);
  }
  return version;
}

}  // namespace

std::string why_no_gpu(long driver, long needed, int gpus) {
  const auto text = [](long version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); };
  if (needed == 0) return "this libtorch was loaded without CUDA (scripts/setup --cuda installs it)";
  if (gpus > 0) return fmt::format("there are {} GPUs", gpus);
  if (driver == 0) return "there is no NVIDIA driver (libcuda.so.1)";
  // A major version's drivers serve all of its minor ones.
  if (driver / 1000 < needed / 1000)
    return fmt::format("the NVIDIA driver is too old: it serves CUDA {}, this libtorch needs {}", text(driver),
                       text(needed));
  return "the NVIDIA driver shows no GPU";
}

std::string why_no_gpu() {
  long needed = 0;
  if (at::CUDAHooksRegistry()->Has("CUDAHooks")) {  // hasCUDA() asks for a GPU, too
    try {
      needed = at::detail::getCUDAHooks().versionCUDART();
    } catch (const std::exception&) {
      needed = 1;
    }
  }
  return why_no_gpu(driver_version(), needed, gpu_count());
}

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
    throw UsageError(fmt::format("--device {}: {}; use --device cpu or auto", text, why_no_gpu()));
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
