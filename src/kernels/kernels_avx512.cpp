#define ANOMCTL_WIDTH 16
#define ANOMCTL_ROWS 8
#include "kernels/kernels_body.inc"

namespace anomctl {
extern const Kernels kKernels_avx512;
constinit const Kernels kKernels_avx512 = table("avx512");
}  // namespace anomctl
