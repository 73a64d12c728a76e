// Attention logits with gradients: e_ij = bias_ij + sum_c a_c leaky(p_ic + q_jc), without ever holding an (n, n, d)
// tensor.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace anomctl {

// p, q: (b, n, d), a: (d), bias: (n, n) or undefined -> (b, n, n). By ATen operations in pieces whose
// intermediates take at most `bytes` (at least a row of one window), for devices and number types that
// attention_kernels.h does not know.
at::Tensor attention_logits(const at::Tensor& p, const at::Tensor& q, const at::Tensor& a, const at::Tensor& bias,
                            double alpha, std::int64_t bytes);

}  // namespace anomctl
