#define ANOMCTL_WIDTH 8
#define ANOMCTL_ROWS 4
#include "kernels/kernels_body.inc"

namespace anomctl {
extern const Kernels kKernels_avx2;
constinit const Kernels kKernels_avx2 = table("avx2");
}  // namespace anomctl
