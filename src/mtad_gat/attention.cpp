#include "mtad_gat/attention.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

namespace anomctl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// A part of the windows and of the rows of p, for which the (b, i, n, d) intermediates fit the memory.
struct Piece {
  std::int64_t window, windows, row, rows;
  at::Tensor of(const at::Tensor& t) const { return t.narrow(0, window, windows).narrow(1, row, rows); }
};

constexpr std::int64_t kAlive = 4;  // such intermediates at a time, on the way back

std::vector<Piece> pieces_of(const at::Tensor& p, std::int64_t bytes) {
  const std::int64_t b = p.size(0), n = p.size(1), one_row = std::max<std::int64_t>(1, n * p.size(2));
  const std::int64_t elements = bytes / kAlive / static_cast<std::int64_t>(p.element_size());
  const std::int64_t windows = std::clamp<std::int64_t>(elements / one_row, 1, std::max<std::int64_t>(1, b));
  const std::int64_t rows = std::clamp<std::int64_t>(elements / one_row / windows, 1, std::max<std::int64_t>(1, n));
  std::vector<Piece> out;
  for (std::int64_t w = 0; w < b; w += windows) {
    for (std::int64_t i = 0; i < n; i += rows) out.push_back({w, std::min(windows, b - w), i, std::min(rows, n - i)});
  }
  return out;
}

// (b, i, n, d): p_i + q_j
at::Tensor pairs(const Piece& piece, const at::Tensor& p, const at::Tensor& q) {
  return piece.of(p).unsqueeze(2) + q.narrow(0, piece.window, piece.windows).unsqueeze(1);
}

at::Tensor pieces_forward(const at::Tensor& p, const at::Tensor& q, const at::Tensor& a, double alpha,
                          std::int64_t bytes) {
  at::Tensor out = at::empty({p.size(0), p.size(1), p.size(1)}, p.options());
  for (const Piece& piece : pieces_of(p, bytes)) {
    at::Tensor z = pairs(piece, p, q);                              // (b, i, n, d)
    piece.of(out).copy_(at::matmul(at::leaky_relu_(z, alpha), a));  // (b, i, n)
  }
  return out;
}

variable_list pieces_backward(const at::Tensor& p, const at::Tensor& q, const at::Tensor& a, double alpha,
                              const at::Tensor& d_out, std::int64_t bytes) {
  at::Tensor d_p = at::empty_like(p), d_q = at::zeros_like(q), d_a = at::zeros_like(a);
  for (const Piece& piece : pieces_of(p, bytes)) {
    const at::Tensor z = pairs(piece, p, q);                        // (b, i, n, d)
    const at::Tensor d_e = piece.of(d_out).unsqueeze(3);            // (b, i, n, 1)
    const at::Tensor through = at::where(z > 0, d_e, d_e * alpha);  // (b, i, n, d)
    d_a += (through * z).sum({0, 1, 2});
    const at::Tensor d_z = through * a;
    piece.of(d_p).copy_(d_z.sum(2));
    d_q.narrow(0, piece.window, piece.windows) += d_z.sum(1);
  }
  return {d_p, d_q, d_a};
}

class Logits : public torch::autograd::Function<Logits> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& p, const at::Tensor& q, const at::Tensor& a,
                            double alpha, std::int64_t bytes) {
    context->save_for_backward({p, q, a});
    context->saved_data["alpha"] = alpha;
    context->saved_data["bytes"] = bytes;
    return pieces_forward(p, q, a, alpha, bytes);
  }
  static variable_list backward(AutogradContext* context, variable_list d_out) {
    const auto saved = context->get_saved_variables();
    const double alpha = context->saved_data["alpha"].toDouble();
    variable_list d =
        pieces_backward(saved[0], saved[1], saved[2], alpha, d_out[0], context->saved_data["bytes"].toInt());
    d.resize(5);  // alpha and bytes have none
    return d;
  }
};

}  // namespace

at::Tensor attention_logits(const at::Tensor& p, const at::Tensor& q, const at::Tensor& a, const at::Tensor& bias,
                            double alpha, std::int64_t bytes) {
  const at::Tensor e = Logits::apply(p, q, a, alpha, bytes);
  return bias.defined() ? e + bias : e;
}

}  // namespace anomctl
