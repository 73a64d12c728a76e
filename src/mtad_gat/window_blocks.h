// A batch's windows come in blocks of a fixed size, of which one thread computes one: sums over windows are made block
// by block, in one order, whatever the number of threads. Thread rule: free functions.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>

#include "anomctl/kernels/kernels.h"

namespace anomctl {

inline constexpr std::int64_t kBlockWindows = 32;

inline std::int64_t blocks_of(std::int64_t windows) { return (windows + kBlockWindows - 1) / kBlockWindows; }
inline std::int64_t first_of(std::int64_t block) { return block * kBlockWindows; }
inline std::int64_t windows_of(std::int64_t block, std::int64_t windows) {
  return std::min(kBlockWindows, windows - first_of(block));
}

// The sum of one tensor a block, in order. Writes over the first.
inline at::Tensor sum_of_blocks(const at::Tensor& parts) {
  at::Tensor sum = parts[0];
  for (std::int64_t i = 1; i < parts.size(0); ++i) sum.add_(parts[i]);
  return sum;
}

inline std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }
inline std::int64_t padded_size(std::int64_t n) { return static_cast<std::int64_t>(padded(size(n))); }

}  // namespace anomctl
