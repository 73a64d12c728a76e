// Attention logits with gradients: e_ij = bias_ij + sum_c a_c leaky(p_ic + q_jc), without ever holding an (n, n, d)
// tensor.
#pragma once

#include <ATen/ATen.h>

namespace anomctl {

// p, q: (b, n, d), a: (d), bias: (n, n) or undefined -> (b, n, n). On the CPU in float32 by the kernels of kernels/,
// else by ATen operations in pieces of bounded memory.
at::Tensor attention_logits(const at::Tensor& p, const at::Tensor& q, const at::Tensor& a, const at::Tensor& bias,
                            double alpha);

}  // namespace anomctl
