// The MTAD-GAT network (Zhao et al. 2020, as srigas/MTAD-GAT-mlflow computes it), written once: steps, shapes and
// weight names. It runs on any Backend: plain memory (native_backend.h), libtorch tensors with autograd (mtad_gat/). A
// second forward elsewhere is a defect.
//
// Letters: b batch, w window, k sensors, h GRU units, r reconstruction units, o predicted sensors.
// A Backend has a type Array and these operations; `layer` names the weights below it:
//   conv1d_relu(x, layer)          (b, w, k) -> (b, w, k)     zero-padded on both sides; ".weight" (k, k, kernel), ".bias"
//   attend_sensors(x, attention)   (b, w, k) -> (b, w, k)     nodes are the columns of x; sigmoid(softmax(e) v)
//   attend_time(x, attention)      (b, w, k) -> (b, w, k)     nodes are the rows of x
//   concat(x, y, z)                along the last axis
//   gru(x, layer, n)               (b, w, in) -> (b, w, h)    torch's GRU, gates r, z, n; ".weight_ih_l<n>" ...
//   gru_last(x, layer, n)          (b, w, in) -> (b, h)       its last step
//   last_step(x)                   (b, w, h) -> (b, h)
//   spread_gru(x, w, layer, n)     (b, h) -> (b, w, r)        GRU over the spread input: row t, unit j is
//                                                             x[(t * h + j) div w]
//   linear(x, layer[, n])          (..., in) -> (..., out)    ".weight" (out, in), ".bias"; ".<n>.weight" ...
//   relu(x), dropout(x)
//   add_linear_part(y, x, rows)    (b, o), (b, w, k) -> (b, o) y plus a linear forecast from the last rows of x, each sensor
//                                                             clipped: "linear_part.low", ".high" (k), ".weight"
//                                                             (o, rows * k), ".bias"
// Dropout sites (training only): both attention matrices after the softmax, each hidden ReLU of the forecaster, between
// GRU layers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anomctl/model/mtad_gat_settings.h"
#include "anomctl/model/tensors.h"

namespace anomctl {

// Weights "<layer>.lin.weight", ".lin.bias", ".a" and, with use_bias, ".bias" (n, n).
struct Attention {
  std::string layer;
  bool gatv2 = true;
  bool bias = true;
  double alpha = 0.2;
};

template <class Backend>
struct Encoded {
  typename Backend::Array conv, h_feat, h_temp;  // (b, w, k)
  typename Backend::Array h_end;                 // (b, h)
};

template <class Backend>
Encoded<Backend> mtad_gat_encode(Backend& be, const MtadGatSettings& s, const typename Backend::Array& x) {
  auto conv = be.conv1d_relu(x, "conv.conv");                                                // (b, w, k)
  auto h_feat = be.attend_sensors(conv, {"feature_gat", s.use_gatv2, s.use_bias, s.alpha});  // (b, w, k)
  auto h_temp = be.attend_time(conv, {"temporal_gat", s.use_gatv2, s.use_bias, s.alpha});    // (b, w, k)
  auto hidden = be.concat(conv, h_feat, h_temp);                                             // (b, w, 3k)
  const std::int64_t last = s.gru_n_layers - 1;
  for (std::int64_t n = 0; n < last; ++n) hidden = be.dropout(be.gru(hidden, "gru.gru", n));  // (b, w, h)
  auto h_end = be.gru_last(hidden, "gru.gru", last);                                          // (b, h)
  return {std::move(conv), std::move(h_feat), std::move(h_temp), std::move(h_end)};
}

// (b, h), and the windows (b, w, k) themselves -> (b, o): the row after each. With linear_rows a linear forecast that the
// network corrects.
template <class Backend>
typename Backend::Array mtad_gat_forecast(Backend& be, const MtadGatSettings& s, const typename Backend::Array& h_end,
                                          const typename Backend::Array& x) {
  constexpr auto layers = "forecasting_model.layers";
  auto y = be.dropout(be.relu(be.linear(h_end, layers, 0)));
  for (std::int64_t i = 1; i < s.fc_n_layers; ++i) y = be.dropout(be.relu(be.linear(y, layers, i)));
  y = be.linear(y, layers, s.fc_n_layers);
  return s.linear_rows > 0 ? be.add_linear_part(y, x, s.linear_rows) : y;
}

// (b, h) -> (b, w, o), or with last_only (b, o): the window itself.
template <class Backend>
typename Backend::Array mtad_gat_reconstruct(Backend& be, const MtadGatSettings& s,
                                             const typename Backend::Array& h_end, bool last_only) {
  auto y = be.spread_gru(h_end, s.window_size, "recon_model.decoder.rnn", 0);  // (b, w, r)
  for (std::int64_t n = 1; n < s.recon_n_layers; ++n) y = be.gru(be.dropout(y), "recon_model.decoder.rnn", n);
  if (last_only) return be.linear(be.last_step(y), "recon_model.fc");  // (b, o)
  return be.linear(y, "recon_model.fc");                               // (b, w, o)
}

// A weight's name, shape and how training starts it.
struct WeightSpec {
  enum class Init { uniform, xavier, zero };  // uniform in +-bound; xavier_uniform with gain 1.414; zeros
  std::string name;
  std::vector<std::int64_t> shape;
  Init init = Init::uniform;
  double bound = 0;
};
// All weights of the network in the order of the reference's state_dict. Requires valid settings.
std::vector<WeightSpec> mtad_gat_weights(const MtadGatSettings& settings);
// Fresh weights as the reference starts them, drawn from the seed, the same on every machine.
TensorMap initial_weights(const MtadGatSettings& settings, std::uint64_t seed);

}  // namespace anomctl
