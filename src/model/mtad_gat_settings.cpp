#include "anomctl/model/mtad_gat_settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

// The reference's names that differ from ours (its model constructor against its arguments).
constexpr std::array<std::pair<const char*, const char*>, 2> kReferenceNames = {
    {{"fc_n_layers", "forecast_n_layers"}, {"fc_hid_dim", "forecast_hid_dim"}}};

constexpr std::int64_t kMostSensors = 10'000;

std::string text_of(const Json& value) {
  if (value.is_null()) return {};
  if (value.is_bool()) return value.as_bool() ? "true" : "false";
  if (value.is_int()) return std::to_string(value.as_int());
  if (value.is_string()) return value.as_string();
  return shortest(value.as_double());
}

}  // namespace

void MtadGatSettings::validate() const {
  if (kernel_size % 2 == 0) {
    throw UsageError(fmt::format("kernel_size {} is even: the convolution needs an odd width such as {}", kernel_size,
                                 kernel_size + 1));
  }
  if (n_features < 1 || n_features > kMostSensors) {
    throw UsageError(fmt::format("a model of {} sensors cannot be made: 1 to {} work", n_features, kMostSensors));
  }
  if (linear_rows < 0 || linear_rows > window_size)
    throw UsageError(fmt::format("linear_rows {} does not fit a window of {}", linear_rows, window_size));
  if (window_size < 2) throw UsageError(fmt::format("window_size {} is below 2", window_size));
  if (out_dim < 0 || out_dim > n_features) {
    throw UsageError(fmt::format("out_dim {} does not fit {} sensors", out_dim, n_features));
  }
  if (!target_dims.empty()) {
    if (static_cast<std::int64_t>(target_dims.size()) != out_dim) {
      throw UsageError(fmt::format("{} target_dims for out_dim {}", target_dims.size(), out_dim));
    }
    for (const std::int64_t t : target_dims) {
      if (t < 0 || t >= n_features || std::count(target_dims.begin(), target_dims.end(), t) > 1) {
        throw UsageError(fmt::format("target_dims holds {}, which is no sensor of {} or stands twice", t, n_features));
      }
    }
  }
}

Json MtadGatSettings::to_json() const {
  Json j = Json::object();
  j["n_features"] = n_features;
  j["out_dim"] = out_dim;
  j["target_dims"] = target_dims.empty() ? Json() : Json(target_dims);
  j["window_size"] = window_size;
  j["kernel_size"] = kernel_size;
  j["use_gatv2"] = use_gatv2;
  j["use_bias"] = use_bias;
  j["feat_gat_embed_dim"] = feat_gat_embed_dim ? Json(*feat_gat_embed_dim) : Json();
  j["time_gat_embed_dim"] = time_gat_embed_dim ? Json(*time_gat_embed_dim) : Json();
  j["gru_n_layers"] = gru_n_layers;
  j["gru_hid_dim"] = gru_hid_dim;
  j["fc_n_layers"] = fc_n_layers;
  j["fc_hid_dim"] = fc_hid_dim;
  j["recon_n_layers"] = recon_n_layers;
  j["recon_hid_dim"] = recon_hid_dim;
  if (linear_rows > 0) j["linear_rows"] = linear_rows;
  j["alpha"] = alpha;
  j["dropout"] = dropout;
  return j;
}

MtadGatSettings MtadGatSettings::from_json(const Json& j) {
  MtadGatSettings s;
  for (const Field& field : describe(s)) {
    const Json* value = j.find(field.name);
    for (const auto& [ours, theirs] : kReferenceNames) {
      if (value == nullptr && field.name == ours) value = j.find(theirs);
    }
    if (value == nullptr) continue;
    try {
      field.set({text_of(*value)});
    } catch (const UsageError& e) {
      throw input_error(fmt::format("{}: {}", field.name, e.what()));
    }
  }
  s.n_features = j.int_or("n_features", 0);
  s.out_dim = j.int_or("out_dim", s.n_features);
  if (s.out_dim == 0) s.out_dim = s.n_features;
  if (const Json* targets = j.find("target_dims"); targets != nullptr && !targets->is_null()) {
    if (targets->is_int()) {
      s.target_dims = {targets->as_int()};
    } else {
      for (const Json& t : targets->as_array()) s.target_dims.push_back(t.as_int());
    }
  }
  return s;
}

}  // namespace anomctl
