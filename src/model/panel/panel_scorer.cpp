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

PanelScorer::PanelScorer(std::shared_ptr<const PanelModel> model) : model_(std::move(model)) {
  const std::size_t k = model_->sensors();
  past_.assign(static_cast<std::size_t>(model_->settings.lags) * k, 0);
  for (auto* v : {&chart_, &relation_share_, &var_share_, &z_, &residual_, &whitened_}) v->assign(k, 0);
  missing_.assign(k, 0);
}

void PanelScorer::restart() {
  seen_ = 0;
  relation_ = var_ = 0;
  for (auto* v : {&past_, &chart_, &relation_share_, &var_share_}) std::fill(v->begin(), v->end(), 0.0);
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
  const PanelModel& m = *model_;
  const PanelSettings& s = m.settings;
  const std::size_t k = m.sensors();
  const auto lags = static_cast<std::size_t>(s.lags);
  residuals(row);
  const bool ready = seen_ >= lags;
  const bool first = seen_ == lags;

  double chart = 0;
  const double stationary = std::sqrt(s.chart_lambda / (2 - s.chart_lambda));
  for (std::size_t i = 0; i < k; ++i) {
    if (!missing_[i]) chart_[i] += s.chart_lambda * (z_[i] - chart_[i]);
    chart = std::max(chart, std::fabs(chart_[i]) / stationary);
  }
  if (ready) {
    double distance = 0, relation = 0;
    for (std::size_t i = 0; i < k; ++i) {
      const double part = std::max(0.0, residual_[i] * whitened_[i]);
      distance += residual_[i] * whitened_[i];
      const double alone = missing_[i] ? 0 : std::fabs(whitened_[i]) / std::sqrt(m.precision(i, i));
      relation += alone;
      smooth(var_share_[i], part, s.var_lambda, first);
      smooth(relation_share_[i], alone * alone, s.relation_lambda, first);
    }
    smooth(var_, std::log1p(std::sqrt(std::max(0.0, distance))), s.var_lambda, first);
    smooth(relation_, std::log1p(relation), s.relation_lambda, first);
    out.raw = {chart, relation_, var_};
    out.score = 0;
    for (std::size_t i = 0; i < kPanelMembers; ++i) {
      out.surprise[i] = m.tails[i].surprise(out.raw[i]);
      out.score += out.surprise[i] / kPanelMembers;
    }
    attribute(out);
  }

  for (std::size_t r = lags; r-- > 1;)
    std::copy_n(past_.begin() + static_cast<std::ptrdiff_t>((r - 1) * k), k,
                past_.begin() + static_cast<std::ptrdiff_t>(r * k));
  for (std::size_t i = 0; i < k; ++i) past_[i] = std::clamp(z_[i], -s.clip, s.clip);
  if (!ready)
    ++seen_;
  else if (first)
    ++seen_;
  return ready;
}

// Each member shares its surprise among the sensors by what they put into it.
void PanelScorer::attribute(PanelOpinion& out) const {
  const PanelModel& m = *model_;
  const std::size_t k = m.sensors();
  out.share.assign(k, 0);
  out.expected.assign(k, 0);
  // Squares make the few sensors stand out that lie far off.
  double chart_total = 0;
  for (const double c : chart_) chart_total += c * c;
  const double relation_total = sum(relation_share_), var_total = sum(var_share_);
  for (std::size_t i = 0; i < k; ++i) {
    if (chart_total > 0) out.share[i] += out.surprise[0] * chart_[i] * chart_[i] / chart_total;
    if (relation_total > 0) out.share[i] += out.surprise[1] * relation_share_[i] / relation_total;
    if (var_total > 0) out.share[i] += out.surprise[2] * var_share_[i] / var_total;
    const double alone = whitened_[i] / m.precision(i, i) * m.residual_scale[i];
    out.expected[i] = (z_[i] - alone) * m.deviation[i] + m.mean[i];
  }
  const double total = sum(out.share);
  for (double& share : out.share) share = total > 0 ? share / total : 1.0 / static_cast<double>(k);
}

std::vector<double> PanelScorer::state() const {
  std::vector<double> out = {static_cast<double>(seen_), relation_, var_};
  for (const auto* v : {&past_, &chart_, &relation_share_, &var_share_}) out.insert(out.end(), v->begin(), v->end());
  return out;
}

void PanelScorer::restore(std::span<const double> state) {
  const std::size_t needed = 3 + past_.size() + 3 * chart_.size();
  if (state.size() != needed)
    throw input_error("a snapshot of the panel has the wrong size: it belongs to another model");
  seen_ = static_cast<std::size_t>(state[0]);
  relation_ = state[1];
  var_ = state[2];
  auto from = state.begin() + 3;
  for (auto* v : {&past_, &chart_, &relation_share_, &var_share_}) {
    std::copy_n(from, v->size(), v->begin());
    from += static_cast<std::ptrdiff_t>(v->size());
  }
}

}  // namespace anomctl
