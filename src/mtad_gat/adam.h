// Adam (Kingma and Ba 2015) as torch.optim.Adam computes it, without weight decay.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <map>
#include <string>

#include "mtad_gat/tensor_backend.h"

namespace anomctl {

class Adam {
 public:
  explicit Adam(Parameters& parameters) : parameters_(parameters) {
    for (const auto& [name, p] : parameters) {
      first[name] = at::zeros_like(p);
      second[name] = at::zeros_like(p);
    }
  }
  // Uses and clears the gradients.
  void step(double rate) {
    const at::NoGradGuard no_gradient;
    ++steps;
    const double one = 1 - std::pow(0.9, steps), two = 1 - std::pow(0.999, steps);
    for (auto& [name, p] : parameters_) {
      at::Tensor& g = p.mutable_grad();
      if (!g.defined()) continue;
      at::Tensor &m = first[name], &v = second[name];
      m.lerp_(g, 0.1);
      v.mul_(0.999).addcmul_(g, g, 0.001);
      p.addcdiv_(m, (v.sqrt() / std::sqrt(two)).add_(1e-8), -rate / one);
      g.reset();
    }
  }

  std::map<std::string, at::Tensor> first, second;  // moments, for checkpoints
  std::int64_t steps = 0;

 private:
  Parameters& parameters_;
};

}  // namespace anomctl
