// GRUs with gradients by the kernels of kernels/, for tensors on the CPU in float32. Gates as torch's: r, z, n. A
// window's outputs and gradients depend neither on its batch nor on the number of threads; the sums over windows that
// the weights' gradients are have one order, whatever the number of threads.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace anomctl {

struct GruParameters {
  at::Tensor weight_ih, weight_hh, bias_ih, bias_hh;  // (3 h, in), (3 h, h), (3 h), (3 h)
};

enum class GruOutput { all, last };  // (b, w, h), or the last step's (b, h)

// x: (b, w, in)
at::Tensor gru_of_rows(const at::Tensor& x, const GruParameters& parameters, GruOutput output);
// x: (b, in), spread over `steps` rows: row t, unit j is x[(t * in + j) div steps]. The rows are never made.
at::Tensor gru_of_spread(const at::Tensor& x, std::int64_t steps, const GruParameters& parameters, GruOutput output);

}  // namespace anomctl
