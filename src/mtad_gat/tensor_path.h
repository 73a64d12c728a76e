// Which operations the network's steps take on tensors. Thread rule: values.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace anomctl {

struct TensorPath {
  bool own_kernels = true;  // those of kernels/, on the CPU in float32; else ATen's operations, which any device runs
  std::int64_t attention_bytes = std::int64_t{512} << 20;  // of the attention's intermediates by ATen's operations

  bool kernels_apply(const at::Tensor& t) const {
    return own_kernels && t.device().is_cpu() && t.scalar_type() == at::kFloat;
  }
};

}  // namespace anomctl
