#include <cmath>
#include <random>

#include "anomctl/model/mtad_gat_network.h"

namespace anomctl {
namespace {

using Specs = std::vector<WeightSpec>;

double bound_of(std::int64_t fan_in) { return 1 / std::sqrt(static_cast<double>(fan_in)); }

void add_linear(Specs& out, const std::string& layer, std::int64_t from, std::int64_t to) {
  out.push_back({layer + ".weight", {to, from}, WeightSpec::Init::uniform, bound_of(from)});
  out.push_back({layer + ".bias", {to}, WeightSpec::Init::uniform, bound_of(from)});
}

// n nodes of m values each.
void add_attention(Specs& out, const std::string& layer, const MtadGatSettings& s, std::int64_t n, std::int64_t m,
                   std::int64_t embed) {
  const std::int64_t from = s.use_gatv2 ? 2 * m : m, to = s.use_gatv2 ? 2 * embed : embed;
  out.push_back({layer + ".a", {s.use_gatv2 ? to : 2 * to, 1}, WeightSpec::Init::xavier, 0});
  if (s.use_bias) out.push_back({layer + ".bias", {n, n}, WeightSpec::Init::zero, 0});
  add_linear(out, layer + ".lin", from, to);
}

void add_gru(Specs& out, const std::string& layer, std::int64_t n, std::int64_t from, std::int64_t hidden) {
  const std::string l = "_l" + std::to_string(n);
  const double bound = bound_of(hidden);
  out.push_back({layer + ".weight_ih" + l, {3 * hidden, from}, WeightSpec::Init::uniform, bound});
  out.push_back({layer + ".weight_hh" + l, {3 * hidden, hidden}, WeightSpec::Init::uniform, bound});
  out.push_back({layer + ".bias_ih" + l, {3 * hidden}, WeightSpec::Init::uniform, bound});
  out.push_back({layer + ".bias_hh" + l, {3 * hidden}, WeightSpec::Init::uniform, bound});
}

}  // namespace

std::vector<WeightSpec> mtad_gat_weights(const MtadGatSettings& s) {
  Specs out;
  const std::int64_t k = s.n_features, w = s.window_size, o = s.out_dim > 0 ? s.out_dim : k;
  const double conv = bound_of(k * s.kernel_size);
  out.push_back({"conv.conv.weight", {k, k, s.kernel_size}, WeightSpec::Init::uniform, conv});
  out.push_back({"conv.conv.bias", {k}, WeightSpec::Init::uniform, conv});
  add_attention(out, "feature_gat", s, k, w, s.feat_gat_embed_dim.value_or(w));
  add_attention(out, "temporal_gat", s, w, k, s.time_gat_embed_dim.value_or(k));
  for (std::int64_t n = 0; n < s.gru_n_layers; ++n)
    add_gru(out, "gru.gru", n, n == 0 ? 3 * k : s.gru_hid_dim, s.gru_hid_dim);
  for (std::int64_t i = 0; i <= s.fc_n_layers; ++i) {
    add_linear(out, "forecasting_model.layers." + std::to_string(i), i == 0 ? s.gru_hid_dim : s.fc_hid_dim,
               i == s.fc_n_layers ? o : s.fc_hid_dim);
  }
  for (std::int64_t n = 0; n < s.recon_n_layers; ++n) {
    add_gru(out, "recon_model.decoder.rnn", n, n == 0 ? s.gru_hid_dim : s.recon_hid_dim, s.recon_hid_dim);
  }
  add_linear(out, "recon_model.fc", s.recon_hid_dim, o);
  if (s.linear_rows > 0) {
    out.push_back({"linear_part.low", {k}, WeightSpec::Init::zero, 0});
    out.push_back({"linear_part.high", {k}, WeightSpec::Init::zero, 0});
    out.push_back({"linear_part.weight", {o, s.linear_rows * k}, WeightSpec::Init::zero, 0});
    out.push_back({"linear_part.bias", {o}, WeightSpec::Init::zero, 0});
  }
  return out;
}

TensorMap initial_weights(const MtadGatSettings& settings, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  TensorMap out;
  for (const WeightSpec& spec : mtad_gat_weights(settings)) {
    Tensor t{spec.shape, {}};
    double bound = spec.bound;
    // torch's xavier_uniform_ with gain 1.414, the reference's start of `a`.
    if (spec.init == WeightSpec::Init::xavier)
      bound = 1.414 * std::sqrt(6.0 / static_cast<double>(spec.shape[0] + spec.shape[1]));
    for (std::int64_t i = 0; i < t.size(); ++i) {
      const double unit = static_cast<double>(random() >> 11) * 0x1p-53;
      t.values.push_back(static_cast<float>((2 * unit - 1) * bound));
    }
    out[spec.name] = std::move(t);
  }
  return out;
}

}  // namespace anomctl
