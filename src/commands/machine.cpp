#include "commands/machine.h"

#include <dlfcn.h>
#include <fmt/core.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

namespace anomctl {
namespace {

// The text behind "key" and its separator in a file of lines; empty when the file or the key is absent.
std::string line_value(const fs::path& file, const std::string& key, char separator) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t at = line.find(separator);
    if (at == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t\"", at + 1);
    const std::size_t end = line.find_last_not_of(" \t\"");
    return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
  }
  return "";
}

std::uint64_t kib_value(const std::string& key) {
  const std::string text = line_value("/proc/meminfo", key, ':');
  return text.empty() ? 0 : std::stoull(text) * 1024;
}

std::uint64_t number_in(const fs::path& file) {
  std::ifstream in(file);
  std::uint64_t value = 0;
  return in >> value ? value : 0;
}

// The driver's library, as far as it is asked here. Its functions return 0 when all is well.
class CudaDriver {
 public:
  CudaDriver() : library_(dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL)) {}
  ~CudaDriver() {
    if (library_ != nullptr) dlclose(library_);
  }
  CudaDriver(const CudaDriver&) = delete;
  CudaDriver& operator=(const CudaDriver&) = delete;
  bool loaded() const { return library_ != nullptr; }
  template <class... A>
  int call(const char* name, A... arguments) const {
    const auto function = reinterpret_cast<int (*)(A...)>(dlsym(library_, name));
    return function == nullptr ? -1 : function(arguments...);
  }

 private:
  void* library_;
};

std::string driver_version() {
  // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu ..."
  std::istringstream words(line_value("/proc/driver/nvidia/version", "NVRM version", ':'));
  for (std::string word; words >> word;) {
    if (word.find('.') != std::string::npos && word.find_first_not_of("0123456789.") == std::string::npos) return word;
  }
  return "";
}

}  // namespace

CpuFacts cpu_facts() {
  CpuFacts facts;
  facts.model = line_value("/proc/cpuinfo", "model name", ':');
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof usable, &usable) == 0) facts.cores = CPU_COUNT(&usable);
#if defined(__x86_64__)
  const auto add = [&](bool has, const char* name) {
    if (has) facts.features.emplace_back(name);
  };
  add(__builtin_cpu_supports("sse4.2") != 0, "sse4.2");
  add(__builtin_cpu_supports("avx") != 0, "avx");
  add(__builtin_cpu_supports("fma") != 0, "fma");
  add(__builtin_cpu_supports("avx2") != 0, "avx2");
  add(__builtin_cpu_supports("avx512f") != 0, "avx512f");
  add(__builtin_cpu_supports("avx512bw") != 0, "avx512bw");
  add(__builtin_cpu_supports("avx512vnni") != 0, "avx512vnni");
#endif
  return facts;
}

MemoryFacts memory_facts() {
  MemoryFacts facts{kib_value("MemTotal"), kib_value("MemAvailable")};
  const std::uint64_t limit = number_in("/sys/fs/cgroup/memory.max");
  if (limit > 0 && limit < facts.total_bytes) {
    const std::uint64_t used = number_in("/sys/fs/cgroup/memory.current");
    facts.total_bytes = limit;
    facts.available_bytes = std::min(facts.available_bytes, limit > used ? limit - used : 0);
  }
  return facts;
}

DiskFacts disk_facts(const fs::path& path) {
  std::error_code error;
  const auto space = fs::space(path, error);
  if (error) return {path, 0, 0};
  return {fs::weakly_canonical(path, error), space.capacity, space.available};
}

GpuFacts gpu_facts() {
  GpuFacts facts;
  facts.driver = driver_version();
  const CudaDriver cuda;
  int count = 0, version = 0;
  if (!cuda.loaded()) {
    facts.why_absent = "no NVIDIA driver (libcuda.so.1)";
  } else if (const int code = cuda.call("cuInit", 0U); code != 0) {
    facts.why_absent = fmt::format("the driver reports error {}", code);
  } else if (cuda.call("cuDeviceGetCount", &count) != 0 || count == 0) {
    facts.why_absent = "the driver sees no device";
  }
  if (!facts.why_absent.empty()) return facts;
  if (cuda.call("cuDriverGetVersion", &version) == 0) {
    facts.cuda = fmt::format("{}.{}", version / 1000, version % 1000 / 10);
  }
  for (int i = 0; i < count; ++i) {
    int device = 0;
    std::array<char, 256> name{};
    std::size_t bytes = 0;
    cuda.call("cuDeviceGet", &device, i);
    cuda.call("cuDeviceGetName", name.data(), static_cast<int>(name.size()), device);
    cuda.call("cuDeviceTotalMem_v2", &bytes, device);
    facts.gpus.push_back({name.data(), bytes});
  }
  return facts;
}

std::string operating_system() { return line_value("/etc/os-release", "PRETTY_NAME", '='); }

}  // namespace anomctl
