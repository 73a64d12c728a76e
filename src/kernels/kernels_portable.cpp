#define ANOMCTL_WIDTH 4
#define ANOMCTL_ROWS 4
#include "kernels/kernels_body.inc"

namespace anomctl {
extern const Kernels kKernels_portable;
constinit const Kernels kKernels_portable = table("portable");
}  // namespace anomctl
