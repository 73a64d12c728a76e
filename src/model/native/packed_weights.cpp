#include "model/native/packed_weights.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "anomctl/core/error.h"
#include "anomctl/model/mtad_gat_network.h"
#include "anomctl/model/native_model.h"

namespace anomctl {
namespace {

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

// weight: (out, in) row-major.
PackedLinear pack_linear(const float* weight, std::size_t out, std::size_t in, const float* bias) {
  PackedLinear p{in, out, padded(out), std::vector<float>(in * padded(out), 0), std::vector<float>(padded(out), 0)};
  for (std::size_t o = 0; o < out; ++o) {
    for (std::size_t i = 0; i < in; ++i) p.weights[i * p.ld + o] = weight[o * in + i];
    if (bias != nullptr) p.bias[o] = bias[o];
  }
  return p;
}

class Packer {
 public:
  Packer(const MtadGatSettings& settings, const TensorMap& weights) : s_(settings), weights_(weights) {}

  PackedLinear linear(const std::string& layer) const {
    const Tensor& w = weights_.at(layer + ".weight");
    return pack_linear(w.values.data(), size(w.shape[0]), size(w.shape[1]), weights_.at(layer + ".bias").values.data());
  }

  // torch's (k out, k in, kernel) -> rows of (position, sensor), as the padded series lies in memory.
  PackedLinear conv() const {
    const Tensor& w = weights_.at("conv.conv.weight");
    const std::size_t k = size(w.shape[0]), width = size(w.shape[2]);
    std::vector<float> flat(k * width * k);
    for (std::size_t o = 0; o < k; ++o) {
      for (std::size_t i = 0; i < k; ++i) {
        for (std::size_t t = 0; t < width; ++t) flat[o * width * k + t * k + i] = w.values[(o * k + i) * width + t];
      }
    }
    return pack_linear(flat.data(), k, width * k, weights_.at("conv.conv.bias").values.data());
  }

  PackedAttention attention(const std::string& layer, std::size_t n, std::size_t m) const {
    const Tensor& lin = weights_.at(layer + ".lin.weight");
    const auto& shift = weights_.at(layer + ".lin.bias").values;
    const auto& a = weights_.at(layer + ".a").values;
    PackedAttention p;
    p.n = n;
    p.m = m;
    if (s_.use_gatv2) {
      p.d = size(lin.shape[0]);
      std::vector<float> left(p.d * m);
      p.right.resize(p.d * m);
      for (std::size_t c = 0; c < p.d; ++c) {
        for (std::size_t i = 0; i < m; ++i) {
          left[c * m + i] = lin.values[c * 2 * m + i];
          p.right[c * m + i] = lin.values[c * 2 * m + m + i];
        }
      }
      p.left = pack_linear(left.data(), p.d, m, shift.data());
      p.a = a;
    } else {
      // e_ij = leaky(a1 . (W v_i + b) + a2 . (W v_j + b)): one number a node and side.
      const std::size_t embed = size(lin.shape[0]);
      p.d = 1;
      p.a = {1.0F};
      std::vector<float> left(m);
      p.right.resize(m);
      double constant = 0;
      for (std::size_t e = 0; e < embed; ++e) {
        constant += (static_cast<double>(a[e]) + static_cast<double>(a[embed + e])) * static_cast<double>(shift[e]);
      }
      for (std::size_t i = 0; i < m; ++i) {
        double l = 0, r = 0;
        for (std::size_t e = 0; e < embed; ++e) {
          l += static_cast<double>(a[e]) * static_cast<double>(lin.values[e * m + i]);
          r += static_cast<double>(a[embed + e]) * static_cast<double>(lin.values[e * m + i]);
        }
        left[i] = static_cast<float>(l);
        p.right[i] = static_cast<float>(r);
      }
      const auto both = static_cast<float>(constant);
      p.left = pack_linear(left.data(), 1, m, &both);
    }
    if (s_.use_bias) {
      const auto& bias = weights_.at(layer + ".bias").values;
      p.bias.assign(n * padded(n), 0);
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < n; ++j) p.bias[i * padded(n) + j] = bias[i * n + j];
      }
    }
    return p;
  }

  PackedGru gru(const std::string& layer, std::int64_t n) const {
    const std::string l = "_l" + std::to_string(n);
    const Tensor& ih = weights_.at(layer + ".weight_ih" + l);
    const Tensor& hh = weights_.at(layer + ".weight_hh" + l);
    PackedGru p;
    p.in = size(ih.shape[1]);
    p.units = size(hh.shape[1]);
    p.ld = padded(p.units);
    spread_gates(ih.values, p.in, p, p.input);
    spread_gates(hh.values, p.units, p, p.hidden);
    gate_bias(weights_.at(layer + ".bias_ih" + l).values, p, p.input_bias);
    gate_bias(weights_.at(layer + ".bias_hh" + l).values, p, p.hidden_bias);
    return p;
  }

  SpreadInput spread(const PackedGru& gru) const {
    const std::size_t w = size(s_.window_size), in = gru.in, wide = 3 * gru.ld;
    SpreadInput out;
    out.rows.resize(w);
    for (std::size_t t = 0; t < w; ++t) {
      for (std::size_t j = 0; j < in;) {
        const std::size_t unit = (t * in + j) / w;
        std::vector<double> sum(wide, 0);
        for (; j < in && (t * in + j) / w == unit; ++j) {
          for (std::size_t c = 0; c < wide; ++c) sum[c] += static_cast<double>(gru.input[j * wide + c]);
        }
        out.rows[t].push_back({unit, out.sums.size()});
        for (const double v : sum) out.sums.push_back(static_cast<float>(v));
      }
    }
    return out;
  }

 private:
  // (3 units, in) -> (in, 3 ld)
  static void spread_gates(const std::vector<float>& from, std::size_t in, const PackedGru& p, std::vector<float>& to) {
    to.assign(in * 3 * p.ld, 0);
    for (std::size_t gate = 0; gate < 3; ++gate) {
      for (std::size_t u = 0; u < p.units; ++u) {
        for (std::size_t i = 0; i < in; ++i) to[i * 3 * p.ld + gate * p.ld + u] = from[(gate * p.units + u) * in + i];
      }
    }
  }
  static void gate_bias(const std::vector<float>& from, const PackedGru& p, std::vector<float>& to) {
    to.assign(3 * p.ld, 0);
    for (std::size_t gate = 0; gate < 3; ++gate) {
      for (std::size_t u = 0; u < p.units; ++u) to[gate * p.ld + u] = from[gate * p.units + u];
    }
  }

  const MtadGatSettings& s_;
  const TensorMap& weights_;
};

}  // namespace

void check_weights(const MtadGatSettings& settings, const TensorMap& weights) {
  settings.validate();
  const auto specs = mtad_gat_weights(settings);
  for (const WeightSpec& spec : specs) {
    const auto found = weights.find(spec.name);
    if (found == weights.end()) throw input_error(fmt::format("the weights lack '{}'", spec.name));
    if (found->second.shape != spec.shape) {
      throw input_error(fmt::format("weight '{}' has shape ({}), the settings ask for ({})", spec.name,
                                    fmt::join(found->second.shape, ", "), fmt::join(spec.shape, ", ")));
    }
  }
  if (weights.size() == specs.size()) return;
  for (const auto& [name, tensor] : weights) {
    bool known = false;
    for (const WeightSpec& spec : specs) known = known || spec.name == name;
    if (!known) throw input_error(fmt::format("weight '{}' does not belong to a network with these settings", name));
  }
}

PackedWeights pack_weights(const MtadGatSettings& settings, const TensorMap& weights) {
  const Packer packer(settings, weights);
  const std::size_t k = size(settings.n_features), w = size(settings.window_size);
  PackedWeights p;
  p.settings = settings;
  p.conv = packer.conv();
  p.sensors = packer.attention("feature_gat", k, w);
  p.time = packer.attention("temporal_gat", w, k);
  for (std::int64_t n = 0; n < settings.gru_n_layers; ++n)
    p.gru[fmt::format("gru.gru.{}", n)] = packer.gru("gru.gru", n);
  for (std::int64_t n = 0; n < settings.recon_n_layers; ++n) {
    p.gru[fmt::format("recon_model.decoder.rnn.{}", n)] = packer.gru("recon_model.decoder.rnn", n);
  }
  for (std::int64_t i = 0; i <= settings.fc_n_layers; ++i) {
    const std::string layer = fmt::format("forecasting_model.layers.{}", i);
    p.linear[layer] = packer.linear(layer);
  }
  p.linear["recon_model.fc"] = packer.linear("recon_model.fc");
  p.spread = packer.spread(p.gru.at("recon_model.decoder.rnn.0"));
  return p;
}

}  // namespace anomctl
