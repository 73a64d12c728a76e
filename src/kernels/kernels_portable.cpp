#define ANOMCTL_WIDTH 4
#define ANOMCTL_GRU_ROWS 2
#include "kernels/kernels_body.inc"

namespace anomctl {
extern const Kernels kKernels_portable;
const Kernels kKernels_portable = {"portable", product, add_product, logits,  logits_backward,
                                   attention,  sigmoid, relu,        gru_step};
}  // namespace anomctl
