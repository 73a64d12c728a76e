#include "mtad_gat/attention.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

namespace anomctl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kPieceElements = std::int64_t{1} << 25;  // of an intermediate: 128 MiB in float32

// Rows of p whose (b, rows, n, d) intermediates fit a piece.
std::int64_t rows_a_piece(const at::Tensor& p) {
  return std::max<std::int64_t>(1, kPieceElements / std::max<std::int64_t>(1, p.size(0) * p.size(1) * p.size(2)));
}

at::Tensor pieces_forward(const at::Tensor& p, const at::Tensor& q, const at::Tensor& a, double alpha) {
  std::vector<at::Tensor> out;
  const std::int64_t step = rows_a_piece(p);
  for (std::int64_t i = 0; i < p.size(1); i += step) {
    const at::Tensor z = p.narrow(1, i, std::min(step, p.size(1) - i)).unsqueeze(2) + q.unsqueeze(1);  // (b, i, n, d)
    out.push_back(at::matmul(at::leaky_relu(z, alpha), a));                                            // (b, i, n)
  }
  return at::cat(out, 1);
}

variable_list pieces_backward(const at::Tensor& p, const at::Tensor& q, const at::Tensor& a, double alpha,
                              const at::Tensor& d_out) {
  std::vector<at::Tensor> d_p;
  at::Tensor d_q = at::zeros_like(q), d_a = at::zeros_like(a);
  const std::int64_t step = rows_a_piece(p);
  for (std::int64_t i = 0; i < p.size(1); i += step) {
    const std::int64_t count = std::min(step, p.size(1) - i);
    const at::Tensor z = p.narrow(1, i, count).unsqueeze(2) + q.unsqueeze(1);  // (b, i, n, d)
    const at::Tensor d_e = d_out.narrow(1, i, count).unsqueeze(3);             // (b, i, n, 1)
    const at::Tensor through = at::where(z > 0, d_e, d_e * alpha);             // (b, i, n, d)
    d_a += (through * z).sum({0, 1, 2});
    const at::Tensor d_z = through * a;
    d_p.push_back(d_z.sum(2));
    d_q += d_z.sum(1);
  }
  return {at::cat(d_p, 1), d_q, d_a};
}

class Logits : public torch::autograd::Function<Logits> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& p, const at::Tensor& q, const at::Tensor& a,
                            double alpha) {
    context->save_for_backward({p, q, a});
    context->saved_data["alpha"] = alpha;
    return pieces_forward(p, q, a, alpha);
  }
  static variable_list backward(AutogradContext* context, variable_list d_out) {
    const auto saved = context->get_saved_variables();
    const double alpha = context->saved_data["alpha"].toDouble();
    variable_list d = pieces_backward(saved[0], saved[1], saved[2], alpha, d_out[0]);
    d.emplace_back();  // alpha
    return d;
  }
};

}  // namespace

at::Tensor attention_logits(const at::Tensor& p, const at::Tensor& q, const at::Tensor& a, const at::Tensor& bias,
                            double alpha) {
  const at::Tensor e = Logits::apply(p, q, a, alpha);
  return bias.defined() ? e + bias : e;
}

}  // namespace anomctl
