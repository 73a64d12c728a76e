#include <algorithm>
#include <cmath>

#include "anomctl/core/error.h"
#include "anomctl/model/panel.h"
#include "model/panel/stand_in.h"

namespace anomctl {

void PanelModel::take_settings(const PanelSettings& chosen) {
  settings = chosen;
  chart_lambda = chosen.chart_lambda;
  chart_clip = chosen.clip;
  relation_lambda = chosen.relation_lambda;
  var_lambda = chosen.var_lambda;
  warm_up = static_cast<std::size_t>(chosen.lags);
}

void PanelModel::take_network(std::shared_ptr<const NetworkMember> member) {
  network = std::move(member);
  voice = network ? network->weight : 0;
  network_tail = network ? network->tail : TailCurve{};
  warm_up = static_cast<std::size_t>(settings.lags);
  if (network) warm_up = std::max(warm_up, static_cast<std::size_t>(network->network.parameters.settings.rows) - 1);
}

PanelScorer::PanelScorer(std::shared_ptr<const PanelModel> model, std::int64_t healthy_start)
    : model_(std::move(model)), memory_(model_, healthy_start) {
  const std::size_t k = model_->sensors();
  past_.assign(model_->warm_up * k, 0);
  for (auto* v : {&parts_.z, &parts_.relation, &parts_.var, &parts_.network, &parts_.expected, &residual_, &whitened_,
                  &left_over_, &newest_, &known_})
    v->assign(k, 0);
  for (auto* flags : {&missing_, &stale_}) flags->assign(k, 0);
  if (model_->network) {
    const auto& p = model_->network->network.parameters;
    prepare_relation(p, work_);
    recent_.resize(static_cast<std::size_t>(p.settings.rows) * k);
    network_in_.resize(recent_.size());
    network_out_.resize(k);
  }
}

void PanelScorer::restart() {
  memory_.restart();
  std::fill(past_.begin(), past_.end(), 0.0);
}

bool PanelScorer::push(std::span<const double> row, std::span<const std::uint8_t> missing, PanelOpinion& out) {
  const double clip = model_->settings.clip;
  const std::size_t k = model_->sensors();
  const std::size_t warm_up = model_->warm_up;
  take_in(row, missing);
  if (memory_.ready()) {
    linear_parts();
    if (model_->network) network_parts();
    expectation();
  }
  const bool judged = memory_.push(parts_, missing_, out);
  for (std::size_t r = warm_up; r-- > 1;) {
    std::copy_n(past_.begin() + static_cast<std::ptrdiff_t>((r - 1) * k), k,
                past_.begin() + static_cast<std::ptrdiff_t>(r * k));
  }
  for (std::size_t i = 0; i < k; ++i) past_[i] = std::clamp(newest_[i], -clip, clip);
  return judged;
}

// z-scores, the VAR's scaled residuals and the precision matrix times them.
void PanelScorer::take_in(std::span<const double> row, std::span<const std::uint8_t> missing) {
  const PanelModel& m = *model_;
  const std::size_t k = m.sensors();
  std::size_t any_missing = 0;
  std::vector<double>& z = newest_;
  for (std::size_t i = 0; i < k; ++i) {
    const bool held = std::isfinite(row[i]);
    missing_[i] = !held || (!missing.empty() && missing[i] != 0);
    any_missing += missing_[i];
    z[i] = held ? (row[i] - m.mean[i]) / m.deviation[i] : past_[i];
    if (missing_[i] != 0) z[i] = std::clamp(z[i], -m.settings.clip, m.settings.clip);
  }
  parts_.z = z;
  inputs_ = past_;
  const bool others_stand_in = any_missing > 0 && any_missing <= kMostStandIns;
  if (others_stand_in) prepare_stand_in();
  predict();
  if (others_stand_in) stand_in();
  std::fill(whitened_.begin(), whitened_.end(), 0.0);
  for (std::size_t j = 0; j < k; ++j) {
    const auto p = m.precision.row(j);
    for (std::size_t i = 0; i < k; ++i) whitened_[i] += residual_[j] * p[i];
  }
}

// residual_ from inputs_ and the newest z-scores; 0 of sensors without a value.
void PanelScorer::predict() {
  const PanelModel& m = *model_;
  const std::size_t k = m.sensors();
  const auto lags = static_cast<std::size_t>(m.settings.lags);
  const auto intercept = m.coefficients.row(lags * k);
  for (std::size_t i = 0; i < k; ++i) residual_[i] = intercept[i];
  for (std::size_t r = 0; r < lags * k; ++r) {
    const double input = inputs_[r];
    if (input == 0) continue;
    const auto weights = m.coefficients.row(r);
    for (std::size_t i = 0; i < k; ++i) residual_[i] += input * weights[i];
  }
  for (std::size_t i = 0; i < k; ++i)
    residual_[i] = missing_[i] != 0 ? 0 : (parts_.z[i] - residual_[i]) / m.residual_scale[i];
}

// Which inputs are as old as they can be (their sensor had no value in any row that is looked back at, as far as the
// values tell), and what it takes to find what stands in for them. They are 0 in inputs_ until then.
void PanelScorer::prepare_stand_in() {
  const PanelModel& m = *model_;
  const std::size_t k = m.sensors();
  for (std::size_t i = 0; i < k; ++i) {
    stale_[i] = missing_[i];
    for (std::size_t r = 0; r < m.warm_up && stale_[i] != 0; ++r) stale_[i] = past_[r * k + i] == newest_[i];
    for (std::size_t r = 0; r < m.warm_up && stale_[i] != 0; ++r) inputs_[r * k + i] = 0;
  }
  StandIn& known = stand_in_;
  if (known.missing == missing_ && known.stale == stale_) return;
  known = {missing_, stale_, {}, {}, Matrix<double>(), {}, {}};
  std::vector<double> effect(k);
  for (std::size_t i = 0; i < k; ++i) {
    if (missing_[i] != 0) known.sensors.push_back(i);
    if (stale_[i] == 0) continue;
    known.inputs.push_back(i);
    std::fill(effect.begin(), effect.end(), 0.0);
    for (std::size_t r = 0; r < static_cast<std::size_t>(m.settings.lags); ++r) {
      const auto weights = m.coefficients.row(r * k + i);
      for (std::size_t j = 0; j < k; ++j)
        if (missing_[j] == 0) effect[j] -= weights[j] / m.residual_scale[j];
    }
    known.effects.append_row(effect);
  }
  known.gain = stand_in_gain(m.precision, missing_, known.effects);
  if (m.network) known.network_gain = stand_in_gain(m.network->precision, missing_, {});
}

void PanelScorer::stand_in() {
  const StandIn& known = stand_in_;
  const std::size_t k = model_->sensors(), m = known.sensors.size();
  known_ = residual_;
  const auto unknown = [&](std::size_t n) {
    double value = 0;
    for (std::size_t j = 0; j < k; ++j) value += known.gain(n, j) * known_[j];
    return value;
  };
  for (std::size_t n = 0; n < m; ++n) residual_[known.sensors[n]] = unknown(n);
  for (std::size_t n = 0; n < known.inputs.size(); ++n) {
    const std::size_t i = known.inputs[n];
    const double value = std::clamp(unknown(m + n), -model_->settings.clip, model_->settings.clip);
    parts_.z[i] = value;
    for (std::size_t r = 0; r < model_->warm_up; ++r) inputs_[r * k + i] = value;
    for (std::size_t j = 0; j < k; ++j) residual_[j] += value * known.effects(n, j);
  }
}

void PanelScorer::linear_parts() {
  for (std::size_t i = 0; i < model_->sensors(); ++i) {
    parts_.var[i] = residual_[i] * whitened_[i];
    parts_.relation[i] = missing_[i] != 0 ? 0 : whitened_[i] / std::sqrt(model_->precision(i, i));
  }
}

void PanelScorer::network_parts() {
  const PanelModel& m = *model_;
  const NetworkMember& member = *m.network;
  const std::size_t k = m.sensors();
  for (std::size_t i = 0; i < k; ++i) recent_[i] = std::clamp(parts_.z[i], -m.settings.clip, m.settings.clip);
  std::copy_n(inputs_.begin(), recent_.size() - k, recent_.begin() + static_cast<std::ptrdiff_t>(k));
  std::transform(recent_.begin(), recent_.end(), network_in_.begin(), [](double v) { return static_cast<float>(v); });
  member.linear.left_over(recent_, parts_.z, left_over_);
  relation_forward<float>(member.network.parameters, work_, network_in_, network_out_);
  for (std::size_t i = 0; i < k; ++i) {
    left_over_[i] -= member.network.gate[i] * static_cast<double>(network_out_[i]);
    if (missing_[i] != 0) left_over_[i] = 0;
  }
  const StandIn& known = stand_in_;
  if (known.missing == missing_) {
    known_ = left_over_;
    for (std::size_t n = 0; n < known.sensors.size(); ++n) {
      double value = 0;
      for (std::size_t j = 0; j < k; ++j) value += known.network_gain(n, j) * known_[j];
      left_over_[known.sensors[n]] = value;
    }
  }
  for (std::size_t i = 0; i < k; ++i) {
    double whitened = 0;
    for (std::size_t j = 0; j < k; ++j) whitened += member.precision(i, j) * left_over_[j];
    parts_.network[i] = left_over_[i] * whitened;
  }
}

// What a sensor should show given the others: by the network where it has a voice for that sensor, else by the linear
// relation.
void PanelScorer::expectation() {
  const PanelModel& m = *model_;
  for (std::size_t i = 0; i < m.sensors(); ++i) {
    const bool by_network = m.network && m.network->network.gate[i] > 0;
    const double left = missing_[i] != 0 ? 0
                        : by_network     ? left_over_[i] * m.network->linear.scale[i]
                                         : parts_.relation[i] / std::sqrt(m.precision(i, i)) * m.residual_scale[i];
    parts_.expected[i] = (parts_.z[i] - left) * m.deviation[i] + m.mean[i];
  }
}

double PanelScorer::var_residual(std::size_t i) const {
  return residual_[i] * model_->residual_scale[i] * model_->deviation[i];
}

std::vector<double> PanelScorer::state() const {
  std::vector<double> out = memory_.state();
  out.insert(out.end(), past_.begin(), past_.end());
  return out;
}

void PanelScorer::restore(std::span<const double> state) {
  if (state.size() != this->state().size())
    throw input_error("a snapshot of the panel has the wrong size: it belongs to another model");
  const std::size_t own = state.size() - past_.size();
  memory_.restore(state.first(own));
  std::copy(state.begin() + static_cast<std::ptrdiff_t>(own), state.end(), past_.begin());
}

}  // namespace anomctl
