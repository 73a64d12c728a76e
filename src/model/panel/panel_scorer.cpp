#include <algorithm>
#include <cmath>

#include "anomctl/core/error.h"
#include "anomctl/model/panel.h"

namespace anomctl {
namespace {

// A long pause of a sensor should not leave its smoothed parts at odds: parts follow the member's own lambda.
void smooth(double& state, double value, double lambda, bool first) {
  state = first ? value : state + lambda * (value - state);
}

double sum(std::span<const double> values) {
  double total = 0;
  for (const double v : values) total += v;
  return total;
}

}  // namespace

std::size_t PanelModel::warm_up() const {
  const auto lags = static_cast<std::size_t>(settings.lags);
  if (!network) return lags;
  return std::max(lags, static_cast<std::size_t>(network->network.parameters.settings.rows) - 1);
}

PanelScorer::PanelScorer(std::shared_ptr<const PanelModel> model) : model_(std::move(model)) {
  const std::size_t k = model_->sensors();
  past_.assign(model_->warm_up() * k, 0);
  for (auto* v :
       {&chart_, &relation_share_, &var_share_, &network_share_, &z_, &residual_, &whitened_, &alone_, &correction_}) {
    v->assign(k, 0);
  }
  missing_.assign(k, 0);
  if (model_->network) {
    const auto& p = model_->network->network.parameters;
    prepare_relation(p, work_);
    network_in_.resize(static_cast<std::size_t>(p.settings.rows) * k);
    network_out_.resize(k);
  }
}

void PanelScorer::restart() {
  seen_ = 0;
  relation_ = var_ = network_ = 0;
  for (auto* v : {&past_, &chart_, &relation_share_, &var_share_, &network_share_})
    std::fill(v->begin(), v->end(), 0.0);
}

// z-scores, the VAR's scaled residuals and the precision matrix times them.
void PanelScorer::residuals(std::span<const double> row) {
  const PanelModel& m = *model_;
  const std::size_t k = m.sensors();
  const auto lags = static_cast<std::size_t>(m.settings.lags);
  for (std::size_t i = 0; i < k; ++i) {
    missing_[i] = !std::isfinite(row[i]);
    z_[i] = missing_[i] ? past_[i] : (row[i] - m.mean[i]) / m.deviation[i];
  }
  const auto intercept = m.coefficients.row(lags * k);
  for (std::size_t i = 0; i < k; ++i) residual_[i] = intercept[i];
  for (std::size_t r = 0; r < lags * k; ++r) {
    const double input = past_[r];
    if (input == 0) continue;
    const auto weights = m.coefficients.row(r);
    for (std::size_t i = 0; i < k; ++i) residual_[i] += input * weights[i];
  }
  for (std::size_t i = 0; i < k; ++i) {
    residual_[i] = missing_[i] ? 0 : (z_[i] - residual_[i]) / m.residual_scale[i];
  }
  std::fill(whitened_.begin(), whitened_.end(), 0.0);
  for (std::size_t j = 0; j < k; ++j) {
    const auto p = m.precision.row(j);
    for (std::size_t i = 0; i < k; ++i) whitened_[i] += residual_[j] * p[i];
  }
}

bool PanelScorer::push(std::span<const double> row, PanelOpinion& out) {
  const PanelSettings& s = model_->settings;
  const std::size_t k = model_->sensors();
  const std::size_t warm_up = model_->warm_up();
  residuals(row);
  for (std::size_t i = 0; i < k; ++i) {
    if (!missing_[i]) chart_[i] += s.chart_lambda * (z_[i] - chart_[i]);
  }
  const bool ready = seen_ >= warm_up;
  if (ready) {
    judge_linear(out, seen_ == warm_up);
    if (model_->network) judge_network(out, seen_ == warm_up);
    attribute(out);
  }
  for (std::size_t r = warm_up; r-- > 1;) {
    std::copy_n(past_.begin() + static_cast<std::ptrdiff_t>((r - 1) * k), k,
                past_.begin() + static_cast<std::ptrdiff_t>(r * k));
  }
  for (std::size_t i = 0; i < k; ++i) past_[i] = std::clamp(z_[i], -s.clip, s.clip);
  if (seen_ <= warm_up) ++seen_;
  return ready;
}

void PanelScorer::judge_linear(PanelOpinion& out, bool first) {
  const PanelModel& m = *model_;
  const PanelSettings& s = m.settings;
  double chart = 0, distance = 0, relation = 0;
  const double stationary = std::sqrt(s.chart_lambda / (2 - s.chart_lambda));
  for (std::size_t i = 0; i < m.sensors(); ++i) {
    chart = std::max(chart, std::fabs(chart_[i]) / stationary);
    distance += residual_[i] * whitened_[i];
    alone_[i] = missing_[i] ? 0 : whitened_[i] / std::sqrt(m.precision(i, i));
    relation += std::fabs(alone_[i]);
    smooth(var_share_[i], std::max(0.0, residual_[i] * whitened_[i]), s.var_lambda, first);
    smooth(relation_share_[i], alone_[i] * alone_[i], s.relation_lambda, first);
  }
  smooth(var_, std::log1p(std::sqrt(std::max(0.0, distance))), s.var_lambda, first);
  smooth(relation_, std::log1p(relation), s.relation_lambda, first);
  out.raw = {chart, relation_, var_};
  out.score = out.network_raw = out.network_surprise = 0;
  for (std::size_t i = 0; i < kPanelMembers; ++i) {
    out.surprise[i] = m.tails[i].surprise(out.raw[i]);
    out.score += out.surprise[i] / kPanelMembers;
  }
}

void PanelScorer::judge_network(PanelOpinion& out, bool first) {
  const PanelModel& m = *model_;
  const NetworkMember& member = *m.network;
  const std::size_t k = m.sensors();
  for (std::size_t i = 0; i < k; ++i)
    network_in_[i] = static_cast<float>(std::clamp(z_[i], -m.settings.clip, m.settings.clip));
  for (std::size_t i = k; i < network_in_.size(); ++i) network_in_[i] = static_cast<float>(past_[i - k]);
  relation_forward<float>(member.network.parameters, work_, network_in_, network_out_);
  for (std::size_t i = 0; i < k; ++i) {
    correction_[i] = missing_[i] ? 0 : member.network.gate[i] * static_cast<double>(network_out_[i]);
  }
  double distance = 0;
  for (std::size_t i = 0; i < k; ++i) {
    double whitened = 0;
    for (std::size_t j = 0; j < k; ++j) whitened += member.precision(i, j) * (alone_[j] - correction_[j]);
    const double part = (alone_[i] - correction_[i]) * whitened;
    distance += part;
    smooth(network_share_[i], std::max(0.0, part), m.settings.var_lambda, first);
  }
  smooth(network_, std::log1p(std::sqrt(std::max(0.0, distance))), m.settings.var_lambda, first);
  out.network_raw = network_;
  out.network_surprise = member.tail.surprise(network_);
  out.score = (1 - m.voice()) * out.score + m.voice() * out.network_surprise;
}

// Each member shares its surprise among the sensors by what they put into it; squares make the few that lie far off
// stand out.
void PanelScorer::attribute(PanelOpinion& out) const {
  const PanelModel& m = *model_;
  const std::size_t k = m.sensors();
  out.share.assign(k, 0);
  out.expected.assign(k, 0);
  const auto add = [&](double weight, std::span<const double> parts) {
    const double total = sum(parts);
    for (std::size_t i = 0; i < k && total > 0; ++i) out.share[i] += weight * parts[i] / total;
  };
  std::vector<double> chart(k);
  for (std::size_t i = 0; i < k; ++i) chart[i] = chart_[i] * chart_[i];
  const double linear = (1 - m.voice()) / kPanelMembers;
  add(linear * out.surprise[0], chart);
  add(linear * out.surprise[1], relation_share_);
  add(linear * out.surprise[2], var_share_);
  add(m.voice() * out.network_surprise, network_share_);
  const double total = sum(out.share);
  for (std::size_t i = 0; i < k; ++i) {
    out.share[i] = total > 0 ? out.share[i] / total : 1.0 / static_cast<double>(k);
    const double left_over = (alone_[i] - correction_[i]) / std::sqrt(m.precision(i, i)) * m.residual_scale[i];
    out.expected[i] = (z_[i] - left_over) * m.deviation[i] + m.mean[i];
  }
}

double PanelScorer::var_residual(std::size_t i) const {
  return residual_[i] * model_->residual_scale[i] * model_->deviation[i];
}

std::vector<double> PanelScorer::state() const {
  std::vector<double> out = {static_cast<double>(seen_), relation_, var_, network_};
  for (const auto* v : {&past_, &chart_, &relation_share_, &var_share_, &network_share_})
    out.insert(out.end(), v->begin(), v->end());
  return out;
}

void PanelScorer::restore(std::span<const double> state) {
  const std::size_t needed = 4 + past_.size() + 4 * chart_.size();
  if (state.size() != needed)
    throw input_error("a snapshot of the panel has the wrong size: it belongs to another model");
  seen_ = static_cast<std::size_t>(state[0]);
  relation_ = state[1];
  var_ = state[2];
  network_ = state[3];
  auto from = state.begin() + 4;
  for (auto* v : {&past_, &chart_, &relation_share_, &var_share_, &network_share_}) {
    std::copy_n(from, v->size(), v->begin());
    from += static_cast<std::ptrdiff_t>(v->size());
  }
}

}  // namespace anomctl
