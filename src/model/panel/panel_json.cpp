#include <fmt/core.h>

#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/model/panel.h"
#include "model/panel/numbers_json.h"

namespace anomctl {

namespace {

void calibration_to_json(const PanelVoices& v, Json& j) {
  if (std::isfinite(v.chart_clip)) j["chart_clip"] = v.chart_clip;
  for (std::size_t i = 0; i < kPanelMembers; ++i) {
    j["tails"][kPanelMemberNames[i]] = v.tails[i].to_json();
    if (!v.all_tails[i].sample.empty()) j["all_tails"][kPanelMemberNames[i]] = v.all_tails[i].to_json();
  }
}

// Bundles of old have neither a chart that is clipped nor the tails of all rows, and judge as they did.
void calibration_from_json(const Json& j, PanelVoices& v) {
  v.chart_clip = std::numeric_limits<double>::infinity();
  if (const Json* clip = j.find("chart_clip")) v.chart_clip = positive({clip->as_double()}, "chart_clip").front();
  const Json* all = j.find("all_tails");
  for (std::size_t i = 0; i < kPanelMembers; ++i) {
    v.tails[i] = TailCurve::from_json(j.at("tails").at(kPanelMemberNames[i]));
    if (all != nullptr) v.all_tails[i] = TailCurve::from_json(all->at(kPanelMemberNames[i]));
  }
}

}  // namespace

Json TailCurve::to_json() const {
  Json j = Json::object();
  j["sample"] = Json(sample);
  j["knee"] = knee;
  j["mean_excess"] = mean_excess;
  return j;
}

TailCurve TailCurve::from_json(const Json& j) {
  TailCurve tail;
  tail.sample = doubles(j.at("sample"));
  if (tail.sample.empty()) throw input_error("panel: a tail has no sample");
  tail.knee = j.at("knee").as_double();
  tail.mean_excess = positive({j.at("mean_excess").as_double()}, "mean_excess").front();
  return tail;
}

Json PanelVoices::to_json() const {
  Json j = Json::object();
  j["chart_lambda"] = chart_lambda;
  j["relation_lambda"] = relation_lambda;
  j["var_lambda"] = var_lambda;
  j["warm_up"] = static_cast<std::int64_t>(warm_up);
  j["mean"] = Json(mean);
  j["voice"] = voice;
  calibration_to_json(*this, j);
  if (voice > 0) j["network_tail"] = network_tail.to_json();
  return j;
}

PanelVoices PanelVoices::from_json(const Json& j, std::size_t sensors) {
  PanelVoices v;
  const auto share = [&](const char* name, double least) {
    const double value = j.at(name).as_double();
    if (!(value >= least && value <= 1)) throw input_error(fmt::format("panel: {} is {}", name, value));
    return value;
  };
  v.chart_lambda = share("chart_lambda", 1e-3);
  v.relation_lambda = share("relation_lambda", 1e-3);
  v.var_lambda = share("var_lambda", 1e-3);
  v.voice = share("voice", 0);
  const std::int64_t rows = j.at("warm_up").as_int();
  if (rows < 1 || rows > 100'000) throw input_error(fmt::format("panel: warm_up is {}", rows));
  v.warm_up = static_cast<std::size_t>(rows);
  v.mean = finite(j.at("mean"), sensors, "mean");
  calibration_from_json(j, v);
  if (v.voice > 0) v.network_tail = TailCurve::from_json(j.at("network_tail"));
  return v;
}

Json PanelModel::to_json() const {
  Json j = Json::object();
  Json& s = j["settings"];
  PanelSettings copy = settings;
  PanelSettings::fields(copy, [&](const char* name, auto& value, auto&&...) { s[name] = Json(value); });
  j["mean"] = Json(mean);
  j["deviation"] = Json(deviation);
  j["coefficients"] = json_of(coefficients);
  j["residual_scale"] = Json(residual_scale);
  j["precision"] = json_of(precision);
  calibration_to_json(*this, j);
  if (network) {
    Json& n = j["network"];
    n = network->network.to_json();
    n["linear"] = network->linear.to_json();
    const double explained = network->network.voice;
    if (network->weight != explained * explained) n["weight"] = network->weight;
    n["precision"] = json_of(network->precision);
    n["tail"] = network->tail.to_json();
  }
  return j;
}

Tensor PanelModel::network_values() const { return network ? network->network.to_tensor() : Tensor{}; }

PanelModel PanelModel::from_json(const Json& j, const Tensor& network_values) {
  PanelModel m;
  PanelSettings settings;
  const Json& s = j.at("settings");
  for (Field& field : describe(settings)) {
    const Json& value = s.at(field.name);
    field.set({value.is_int() ? std::to_string(value.as_int()) : shortest(value.as_double())});
  }
  m.take_settings(settings);
  m.mean = doubles(j.at("mean"));
  const std::size_t k = m.mean.size();
  if (k == 0 || k > 10'000) throw input_error("panel: the number of sensors is not sensible");
  m.mean = finite(j.at("mean"), k, "mean");
  m.deviation = positive(finite(j.at("deviation"), k, "deviation"), "deviation");
  m.residual_scale = positive(finite(j.at("residual_scale"), k, "residual_scale"), "residual_scale");
  const auto inputs = k * static_cast<std::size_t>(m.settings.lags) + 1;
  m.coefficients = matrix_from(j.at("coefficients"), inputs, k, "coefficients");
  m.precision = matrix_from(j.at("precision"), k, k, "precision");
  for (std::size_t i = 0; i < k; ++i) {
    if (!(m.precision(i, i) > 0))
      throw input_error("panel: the precision matrix has a diagonal that is not above zero");
  }
  calibration_from_json(j, m);
  if (const Json* n = j.find("network")) {
    NetworkMember member;
    member.network = RelationNetwork::from(*n, network_values, k);
    member.linear =
        OthersRidge::from_json(n->at("linear"), k, static_cast<std::size_t>(member.network.parameters.settings.rows));
    const double explained = member.network.voice;
    member.weight = n->find("weight") != nullptr ? n->at("weight").as_double() : explained * explained;  // of old
    if (!(member.weight > 0 && member.weight <= 1)) throw input_error("panel: the network's weight is not sensible");
    member.precision = matrix_from(n->at("precision"), k, k, "the network's precision");
    member.tail = TailCurve::from_json(n->at("tail"));
    m.take_network(std::make_shared<const NetworkMember>(std::move(member)));
  }
  return m;
}

}  // namespace anomctl
