// What a GRU reads: the projection of its inputs into the gates n | r | z (kernels.h, gru_forward), and the way back.
// Windows come in blocks (window_blocks.h). Gates' rows are 4 ldh floats apart.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace anomctl {

// Sizes: b windows, w steps, h units in rows of ldh floats.
struct GruShape {
  std::int64_t b = 0, w = 0, h = 0, ldh = 0;
};

class GruInput {
 public:
  virtual ~GruInput() = default;
  // Thread rule of both: one thread a block.
  virtual void project(std::int64_t block, std::int64_t t, float* gates) const = 0;
  // d_gates: gradients of what project gave in `steps` steps from t on, each of kBlockWindows rows; those of windows that
  // are not there are zero.
  virtual void backward(std::int64_t block, std::int64_t t, std::int64_t steps, const float* d_gates) = 0;
  // steps: the most at once
  virtual void prepare_backward(std::int64_t steps) = 0;
  struct Gradients {
    at::Tensor x, weight;  // as x and weight_ih
  };
  // After all blocks.
  virtual Gradients gradients() = 0;
};

// weight: (3 h, in), bias: (3 h), all contiguous. steps 0: x is (b, w, in); else x is (b, in), spread over the steps.
std::unique_ptr<GruInput> make_gru_input(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                         const GruShape& shape, std::int64_t steps);

}  // namespace anomctl
