#include "model/native/packed_weights.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "anomctl/core/error.h"
#include "anomctl/model/mtad_gat_network.h"
#include "anomctl/model/native_model.h"

namespace anomctl {
namespace {

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

// weight: (out, in) row-major.
PackedLinear pack_linear(const float* weight, std::size_t out, std::size_t in, const float* bias) {
  PackedLinear p{in, out, padded(out), AlignedFloats(in * padded(out), 0), AlignedFloats(padded(out), 0)};
  for (std::size_t o = 0; o < out; ++o) {
    for (std::size_t i = 0; i < in; ++i) p.weights[i * p.ld + o] = weight[o * in + i];
    if (bias != nullptr) p.bias[o] = bias[o];
  }
  return p;
}

class Packer {
 public:
  Packer(const MtadGatSettings& settings, const TensorMap& weights, std::size_t width)
      : s_(settings), weights_(weights), width_(width) {}

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

  // lin.weight, a and, if asked for, bias below `layer`, for n nodes of m values.
  PackedAttention attention(const std::string& layer, std::size_t n, std::size_t m) const {
    const Tensor& lin = weights_.at(layer + ".lin.weight");
    const auto& shift = weights_.at(layer + ".lin.bias").values;
    const auto& a = weights_.at(layer + ".a").values;
    const std::size_t embed = size(lin.shape[0]);
    std::vector<Channel> channels;
    if (s_.use_gatv2) {
      for (std::size_t c = 0; c < embed; ++c) {
        const float* row = lin.values.data() + c * 2 * m;
        channels.push_back({{row, row + m}, {row + m, row + 2 * m}, shift[c], a[c]});
      }
    } else {
      // e_ij = leaky(a1 . (W v_i + b) + a2 . (W v_j + b)): one number a node and side.
      Channel both{std::vector<double>(m, 0), std::vector<double>(m, 0), 0, 1};
      for (std::size_t e = 0; e < embed; ++e) {
        const double a1 = a[e], a2 = a[embed + e];
        for (std::size_t i = 0; i < m; ++i) {
          both.query[i] += a1 * static_cast<double>(lin.values[e * m + i]);
          both.key[i] += a2 * static_cast<double>(lin.values[e * m + i]);
        }
        both.shift += (a1 + a2) * static_cast<double>(shift[e]);
      }
      channels = {std::move(both)};
    }
    PackedAttention p = pack_channels(std::move(channels), n, m);
    if (s_.use_bias) {
      const auto& bias = weights_.at(layer + ".bias").values;
      p.bias.assign(n * padded(n), 0);
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < n; ++j) p.bias[j * padded(n) + i] = bias[i * n + j];
      }
    }
    return p;
  }

  std::vector<PackedGru> grus(const std::string& layer, std::int64_t layers) const {
    std::vector<PackedGru> out;
    for (std::int64_t n = 0; n < layers; ++n) out.push_back(gru(layer, "_l" + std::to_string(n)));
    return out;
  }

  SpreadInput spread(const PackedGru& gru) const {
    const std::size_t w = size(s_.window_size), in = gru.in, wide = 3 * gru.ld;
    SpreadInput out;
    for (std::size_t t = 0; t < w; ++t) {
      const std::size_t first = t * in / w, last = (t * in + in - 1) / w;
      out.rows.push_back({first, last - first + 1, out.sums.size()});
      std::size_t j = 0;
      for (std::size_t unit = first; unit <= last; ++unit) {
        std::vector<double> sum(wide, 0);
        for (; j < in && (t * in + j) / w == unit; ++j) {
          for (std::size_t c = 0; c < wide; ++c) sum[c] += static_cast<double>(gru.input[j * wide + c]);
        }
        for (const double v : sum) out.sums.push_back(static_cast<float>(v));
      }
    }
    return out;
  }

 private:
  // One channel of the pairs: a leaky(query . v_i + key . v_j + shift).
  struct Channel {
    std::vector<double> query, key;  // m
    double shift = 0, a = 0;
  };

  PackedAttention pack_channels(std::vector<Channel> channels, std::size_t n, std::size_t m) const {
    const auto factor = [&](const Channel& c) { return (1 - s_.alpha) * c.a; };
    const auto largest_first =
        std::stable_partition(channels.begin(), channels.end(), [&](const Channel& c) { return factor(c) >= 0; });
    PackedAttention p{n, m, channels.size(), static_cast<std::size_t>(largest_first - channels.begin()), {}, {}, {}};
    std::vector<float> key, shift;
    std::vector<double> sum(m, 0);
    for (const Channel& c : channels) {
      for (std::size_t i = 0; i < m; ++i) {
        p.query.push_back(static_cast<float>(factor(c) * c.query[i]));
        key.push_back(static_cast<float>(-factor(c) * c.key[i]));
        sum[i] += c.a * c.key[i];
      }
      shift.push_back(static_cast<float>(-factor(c) * c.shift));
    }
    for (const double v : sum) key.push_back(static_cast<float>(v));
    shift.push_back(0);  // the same for every key
    p.key = pack_linear(key.data(), p.d + 1, m, shift.data());
    return p;
  }

  PackedGru gru(const std::string& layer, const std::string& n) const {
    const Tensor& ih = weights_.at(layer + ".weight_ih" + n);
    const Tensor& hh = weights_.at(layer + ".weight_hh" + n);
    const auto& b_ih = weights_.at(layer + ".bias_ih" + n).values;
    const auto& b_hh = weights_.at(layer + ".bias_hh" + n).values;
    PackedGru p;
    p.in = size(ih.shape[1]);
    p.units = size(hh.shape[1]);
    p.ld = padded(p.units);
    p.input.assign(p.in * 3 * p.ld, 0);
    p.input_bias.assign(3 * p.ld, 0);
    p.hidden.assign(p.units * 3 * p.ld, 0);
    p.hidden_bias.assign(p.ld, 0);
    for (std::size_t gate = 0; gate < 3; ++gate) {
      for (std::size_t u = 0; u < p.units; ++u) {
        const std::size_t row = gate * p.units + u, to = gate * p.ld + u;
        for (std::size_t i = 0; i < p.in; ++i) p.input[i * 3 * p.ld + to] = ih.values[row * p.in + i];
        p.input_bias[to] = b_ih[row] + (gate < 2 ? b_hh[row] : 0.0F);
        if (gate == 2) p.hidden_bias[u] = b_hh[row];
        const std::size_t first = u / width_ * width_, tile = std::min(width_, p.ld - first);
        for (std::size_t i = 0; i < p.units; ++i)
          p.hidden[3 * p.units * first + (3 * i + gate) * tile + u - first] = hh.values[row * p.units + i];
      }
    }
    return p;
  }

  const MtadGatSettings& s_;
  const TensorMap& weights_;
  std::size_t width_;  // floats a vector
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

PackedWeights pack_weights(const MtadGatSettings& settings, const TensorMap& weights, const Kernels& kernels) {
  const Packer packer(settings, weights, kernels.width);
  const std::size_t k = size(settings.n_features), w = size(settings.window_size);
  PackedWeights p;
  p.settings = settings;
  p.conv = packer.conv();
  p.sensors = packer.attention("feature_gat", k, w);
  p.time = packer.attention("temporal_gat", w, k);
  p.gru["gru.gru"] = packer.grus("gru.gru", settings.gru_n_layers);
  p.gru["recon_model.decoder.rnn"] = packer.grus("recon_model.decoder.rnn", settings.recon_n_layers);
  for (std::int64_t i = 0; i <= settings.fc_n_layers; ++i)
    p.linear["forecasting_model.layers"].push_back(packer.linear(fmt::format("forecasting_model.layers.{}", i)));
  p.linear["recon_model.fc"].push_back(packer.linear("recon_model.fc"));
  if (settings.linear_rows > 0) {
    p.linear_part = packer.linear("linear_part");
    p.low = weights.at("linear_part.low").values;
    p.high = weights.at("linear_part.high").values;
  }
  p.spread = packer.spread(p.gru["recon_model.decoder.rnn"].front());
  return p;
}

}  // namespace anomctl
