#include "mtad_gat/tensor_backend.h"

#include "mtad_gat/attention.h"
#include "mtad_gat/attention_kernels.h"

namespace anomctl {

Parameters make_parameters(const TensorMap& weights, const at::Device& device) {
  Parameters out;
  for (const auto& [name, tensor] : weights) {
    at::Tensor t = at::empty(tensor.shape, at::kFloat);
    std::copy(tensor.values.begin(), tensor.values.end(), t.data_ptr<float>());
    out[name] = t.to(device).requires_grad_(true);
  }
  return out;
}

TensorMap to_tensor_map(const Parameters& parameters) {
  TensorMap out;
  for (const auto& [name, parameter] : parameters) {
    const at::Tensor t = parameter.detach().to(at::kCPU, at::kFloat).contiguous();
    Tensor tensor{t.sizes().vec(), {}};
    tensor.values.assign(t.const_data_ptr<float>(), t.const_data_ptr<float>() + t.numel());
    out[name] = std::move(tensor);
  }
  return out;
}

at::Tensor TensorBackend::watched(Array x) const {
  if (!stop_.stop_possible()) return x;
  const auto look = [stop = stop_] {
    if (stop.stop_requested()) throw TrainingStopped();
  };
  look();
  if (x.requires_grad()) x.register_hook([look](const at::Tensor&) { look(); });
  return x;
}

at::Tensor TensorBackend::conv1d_relu(const Array& x, const std::string& layer) {
  const at::Tensor& weight = p_.at(layer + ".weight");
  const std::int64_t side = (weight.size(2) - 1) / 2;
  return watched(at::relu(at::conv1d(x.transpose(1, 2), weight, p_.at(layer + ".bias"), 1, side)).transpose(1, 2));
}

at::Tensor TensorBackend::attend_by(const Array& x, const Attention& attention, bool sensors) {
  if (!attention.gatv2 || !path_.kernels_apply(x)) {
    return sensors ? attend(x.transpose(1, 2), attention).transpose(1, 2) : attend(x, attention);
  }
  AttentionInput input{x, sensors, p_.at(attention.layer + ".lin.weight"), p_.at(attention.layer + ".lin.bias"),
                       p_.at(attention.layer + ".a").flatten()};
  if (attention.bias) input.pairs = p_.at(attention.layer + ".bias");
  input.alpha = attention.alpha;
  input.dropout = training_ ? dropout_ : 0;
  return watched(attend_by_kernels(input));
}

// nodes: (b, n, m) -> (b, n, m)
at::Tensor TensorBackend::attend(const Array& nodes, const Attention& attention) {
  const at::Tensor& weight = p_.at(attention.layer + ".lin.weight");
  const at::Tensor& shift = p_.at(attention.layer + ".lin.bias");
  const at::Tensor a = p_.at(attention.layer + ".a").flatten();
  const at::Tensor bias = attention.bias ? p_.at(attention.layer + ".bias") : at::Tensor();
  at::Tensor e;
  if (attention.gatv2) {
    // lin([v_i, v_j]) = left v_i + right v_j, exact: the (b, n * n, 2 m) pairs are never made.
    const std::int64_t m = nodes.size(2);
    const at::Tensor p = at::linear(nodes, weight.narrow(1, 0, m), shift);        // (b, n, d)
    const at::Tensor q = at::linear(nodes, weight.narrow(1, m, m));               // (b, n, d)
    e = attention_logits(p, q, a, bias, attention.alpha, path_.attention_bytes);  // (b, n, n)
  } else {
    const at::Tensor w = at::linear(nodes, weight, shift);  // (b, n, d)
    const std::int64_t d = w.size(2);
    const at::Tensor left = at::matmul(w, a.narrow(0, 0, d)).unsqueeze(2),
                     right = at::matmul(w, a.narrow(0, d, d)).unsqueeze(1);
    e = at::leaky_relu(left + right, attention.alpha);  // (b, n, n)
    if (bias.defined()) e = e + bias;
  }
  return watched(at::sigmoid(at::matmul(dropout(at::softmax(watched(e), 2)), nodes)));  // (b, n, m)
}

GruParameters TensorBackend::gru_parameters(const std::string& layer, std::int64_t n) const {
  const std::string l = "_l" + std::to_string(n);
  return {p_.at(layer + ".weight_ih" + l), p_.at(layer + ".weight_hh" + l), p_.at(layer + ".bias_ih" + l),
          p_.at(layer + ".bias_hh" + l)};
}

at::Tensor TensorBackend::gru(const Array& x, const std::string& layer, std::int64_t n) {
  const GruParameters p = gru_parameters(layer, n);
  if (path_.kernels_apply(x)) return watched(gru_of_rows(x, p, GruOutput::all));
  const at::Tensor start = at::zeros({1, x.size(0), p.weight_hh.size(1)}, x.options());
  return watched(std::get<0>(
      at::gru(x, start, {p.weight_ih, p.weight_hh, p.bias_ih, p.bias_hh}, true, 1, 0.0, training_, false, true)));
}

at::Tensor TensorBackend::gru_last(const Array& x, const std::string& layer, std::int64_t n) {
  if (path_.kernels_apply(x)) return watched(gru_of_rows(x, gru_parameters(layer, n), GruOutput::last));
  return last_step(gru(x, layer, n));
}

at::Tensor TensorBackend::spread_gru(const Array& x, std::int64_t steps, const std::string& layer, std::int64_t n) {
  if (path_.kernels_apply(x)) return watched(gru_of_spread(x, steps, gru_parameters(layer, n), GruOutput::all));
  // Row t, unit j is x[(t * h + j) div steps].
  return gru(x.repeat_interleave(steps, 1).view({x.size(0), steps, x.size(1)}), layer, n);  // (b, w, h)
}

// Fitted before the training, and no part of it.
at::Tensor TensorBackend::add_linear_part(const Array& y, const Array& x, std::int64_t rows) {
  const auto weight = [&](const char* name) { return p_.at(std::string("linear_part.") + name).detach(); };
  const at::Tensor past = x.narrow(1, x.size(1) - rows, rows);
  return y + at::linear(at::maximum(at::minimum(past, weight("high")), weight("low")).flatten(1), weight("weight"),
                        weight("bias"));
}

}  // namespace anomctl
