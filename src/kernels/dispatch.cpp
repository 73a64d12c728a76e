#include <cstdlib>

#include "anomctl/core/error.h"
#include "anomctl/kernels/kernels.h"

namespace anomctl {

extern const Kernels kKernels_portable;
extern const Kernels kKernels_avx2;
extern const Kernels kKernels_avx512;

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> out = {&kKernels_portable};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) {
    out.push_back(&kKernels_avx2);
    if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
        __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512bw") != 0) {
      out.push_back(&kKernels_avx512);
    }
  }
#endif
  return out;
}

const Kernels& kernels() {
  static const Kernels& chosen = []() -> const Kernels& {
    const auto all = available_kernels();
    const char* wanted = std::getenv("ANOMCTL_ISA");
    if (wanted == nullptr || *wanted == '\0') return *all.back();
    for (const Kernels* k : all) {
      if (std::string(wanted) == k->name) return *k;
    }
    throw UsageError(std::string("ANOMCTL_ISA=") + wanted + " cannot be run on this CPU: use portable, avx2 or avx512");
  }();
  return chosen;
}

}  // namespace anomctl
