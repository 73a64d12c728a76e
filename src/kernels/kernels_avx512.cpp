#define ANOMCTL_WIDTH 16
#define ANOMCTL_GRU_ROWS 8
#include "kernels/kernels_body.inc"

namespace anomctl {
extern const Kernels kKernels_avx512;
const Kernels kKernels_avx512 = {"avx512",  product, add_product, logits,  logits_backward,
                                 attention, sigmoid, relu,        gru_step};
}  // namespace anomctl
