#include "mtad_gat/attention.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "anomctl/kernels/kernels.h"

namespace anomctl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kPieceElements = std::int64_t{1}
                                        << 25;  // of an intermediate of the ATen path: 128 MiB in float32

bool use_kernels(const at::Tensor& p) { return p.device().is_cpu() && p.scalar_type() == at::kFloat; }

// (b, d, padded(n)): q transposed, as the kernels read it.
at::Tensor transposed_padded(const at::Tensor& q) {
  const std::int64_t n = q.size(1);
  const auto ld = static_cast<std::int64_t>(padded(static_cast<std::size_t>(n)));
  return at::constant_pad_nd(q.transpose(1, 2), {0, ld - n}).contiguous();
}

std::size_t u(std::int64_t n) { return static_cast<std::size_t>(n); }

at::Tensor kernel_forward(const at::Tensor& p, const at::Tensor& q, const at::Tensor& a, double alpha) {
  const std::int64_t b = p.size(0), n = p.size(1), d = p.size(2);
  const at::Tensor keys = transposed_padded(q);  // (b, d, ld)
  const std::int64_t ld = keys.size(2);
  at::Tensor out = at::empty({b, n, ld}, p.options());
  at::parallel_for(0, b, 1, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i) {
      kernels().logits(u(n), u(d), p.const_data_ptr<float>() + i * n * d, u(d),
                       keys.const_data_ptr<float>() + i * d * ld, u(ld), a.const_data_ptr<float>(),
                       static_cast<float>(alpha), nullptr, 0, out.data_ptr<float>() + i * n * ld, u(ld));
    }
  });
  return out.narrow(2, 0, n);
}

variable_list kernel_backward(const at::Tensor& p, const at::Tensor& q, const at::Tensor& a, double alpha,
                              const at::Tensor& d_out) {
  const std::int64_t b = p.size(0), n = p.size(1), d = p.size(2);
  const at::Tensor keys = transposed_padded(q);
  const std::int64_t ld = keys.size(2);
  const at::Tensor d_e = at::constant_pad_nd(d_out, {0, ld - n}).contiguous();
  at::Tensor d_p = at::zeros_like(p), d_keys = at::zeros_like(keys);
  at::Tensor d_a = at::zeros({b, d}, p.options());  // a row a window: the sum's order does not depend on threads
  at::parallel_for(0, b, 1, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i) {
      kernels().logits_backward(
          u(n), u(d), p.const_data_ptr<float>() + i * n * d, u(d), keys.const_data_ptr<float>() + i * d * ld, u(ld),
          a.const_data_ptr<float>(), static_cast<float>(alpha), d_e.const_data_ptr<float>() + i * n * ld, u(ld),
          d_p.data_ptr<float>() + i * n * d, d_keys.data_ptr<float>() + i * d * ld, d_a.data_ptr<float>() + i * d);
    }
  });
  return {d_p, d_keys.narrow(2, 0, n).transpose(1, 2), d_a.sum(0)};
}

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
    return use_kernels(p) ? kernel_forward(p.contiguous(), q, a.contiguous(), alpha) : pieces_forward(p, q, a, alpha);
  }
  static variable_list backward(AutogradContext* context, variable_list d_out) {
    const auto saved = context->get_saved_variables();
    const double alpha = context->saved_data["alpha"].toDouble();
    const at::Tensor &p = saved[0], &q = saved[1], &a = saved[2];
    variable_list d = use_kernels(p) ? kernel_backward(p.contiguous(), q, a.contiguous(), alpha, d_out[0])
                                     : pieces_backward(p, q, a, alpha, d_out[0]);
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
