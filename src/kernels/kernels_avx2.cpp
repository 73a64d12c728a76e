#define ANOMCTL_WIDTH 8
#define ANOMCTL_GRU_ROWS 4
#include "kernels/kernels_body.inc"

namespace anomctl {
extern const Kernels kKernels_avx2;
const Kernels kKernels_avx2 = {"avx2",    product, add_product, logits,  logits_backward,
                               attention, sigmoid, relu,        gru_step};
}  // namespace anomctl
