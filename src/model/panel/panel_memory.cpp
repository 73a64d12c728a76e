#include "anomctl/model/panel_memory.h"

#include <algorithm>
#include <cmath>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

// A long pause of a sensor should not leave its smoothed parts at odds: parts follow the member's own lambda.
void smooth(double& state, double value, double lambda, bool first) {
  state = first ? value : state + lambda * (value - state);
}

// The same of a member's log score. Its calibration knows scores that were smoothed for long: a run that began with one
// row's score, which is anywhere, would be judged as if it were one. So it begins with what is usual.
void smooth_score(double& state, double value, double lambda, bool first, const TailCurve& tail) {
  if (first) state = tail.usual().value_or(value);
  state += lambda * (value - state);
}

double sum(std::span<const double> values) {
  double total = 0;
  for (const double v : values) total += v;
  return total;
}

}  // namespace

PanelMemory::PanelMemory(std::shared_ptr<const PanelVoices> voices) : voices_(std::move(voices)) {
  for (auto* v : {&chart_, &relation_share_, &var_share_, &network_share_}) v->assign(voices_->mean.size(), 0);
}

void PanelMemory::restart() {
  seen_ = 0;
  relation_ = var_ = network_ = 0;
  for (auto* v : {&chart_, &relation_share_, &var_share_, &network_share_}) std::fill(v->begin(), v->end(), 0.0);
}

bool PanelMemory::push(const PanelParts& parts, std::span<const std::uint8_t> missing, PanelOpinion& out) {
  for (std::size_t i = 0; i < chart_.size(); ++i)
    if (missing[i] == 0) chart_[i] += voices_->chart_lambda * (parts.z[i] - chart_[i]);
  const bool judged = ready();
  if (judged) {
    judge(parts, seen_ == voices_->warm_up, out);
    attribute(out);
    out.expected = parts.expected;
  }
  if (seen_ <= voices_->warm_up) ++seen_;
  return judged;
}

void PanelMemory::judge(const PanelParts& parts, bool first, PanelOpinion& out) {
  const PanelVoices& m = *voices_;
  double chart = 0, distance = 0, relation = 0, network = 0;
  const double stationary = std::sqrt(m.chart_lambda / (2 - m.chart_lambda));
  for (std::size_t i = 0; i < chart_.size(); ++i) {
    chart = std::max(chart, std::fabs(chart_[i]) / stationary);
    distance += parts.var[i];
    relation += std::fabs(parts.relation[i]);
    smooth(var_share_[i], std::max(0.0, parts.var[i]), m.var_lambda, first);
    smooth(relation_share_[i], parts.relation[i] * parts.relation[i], m.relation_lambda, first);
    if (m.voice == 0) continue;
    network += parts.network[i];
    smooth(network_share_[i], std::max(0.0, parts.network[i]), m.var_lambda, first);
  }
  smooth_score(var_, std::log1p(std::sqrt(std::max(0.0, distance))), m.var_lambda, first, m.tails[2]);
  smooth_score(relation_, std::log1p(relation), m.relation_lambda, first, m.tails[1]);
  out.raw = {chart, relation_, var_};
  out.score = out.network_raw = out.network_surprise = 0;
  for (std::size_t i = 0; i < kPanelMembers; ++i) {
    out.surprise[i] = m.tails[i].surprise(out.raw[i]);
    out.score += out.surprise[i] / kPanelMembers;
  }
  if (m.voice == 0) return;
  smooth_score(network_, std::log1p(std::sqrt(std::max(0.0, network))), m.var_lambda, first, m.network_tail);
  out.network_raw = network_;
  out.network_surprise = m.network_tail.surprise(network_);
  out.score = (1 - m.voice) * out.score + m.voice * out.network_surprise;
}

// Each member shares its surprise among the sensors by what they put into it; squares make the few that lie far off
// stand out.
void PanelMemory::attribute(PanelOpinion& out) const {
  const std::size_t k = chart_.size();
  out.share.assign(k, 0);
  const auto add = [&](double weight, std::span<const double> parts) {
    const double total = sum(parts);
    for (std::size_t i = 0; i < k && total > 0; ++i) out.share[i] += weight * parts[i] / total;
  };
  std::vector<double> chart(k);
  for (std::size_t i = 0; i < k; ++i) chart[i] = chart_[i] * chart_[i];
  const double linear = (1 - voices_->voice) / kPanelMembers;
  add(linear * out.surprise[0], chart);
  add(linear * out.surprise[1], relation_share_);
  add(linear * out.surprise[2], var_share_);
  add(voices_->voice * out.network_surprise, network_share_);
  const double total = sum(out.share);
  for (double& share : out.share) share = total > 0 ? share / total : 1.0 / static_cast<double>(k);
}

std::vector<double> PanelMemory::state() const {
  std::vector<double> out = {static_cast<double>(seen_), relation_, var_, network_};
  for (const auto* v : {&chart_, &relation_share_, &var_share_, &network_share_})
    out.insert(out.end(), v->begin(), v->end());
  return out;
}

void PanelMemory::restore(std::span<const double> state) {
  if (state.size() != 4 + 4 * chart_.size())
    throw input_error("a snapshot of the panel has the wrong size: it belongs to another model");
  seen_ = static_cast<std::size_t>(state[0]);
  relation_ = state[1];
  var_ = state[2];
  network_ = state[3];
  auto from = state.begin() + 4;
  for (auto* v : {&chart_, &relation_share_, &var_share_, &network_share_}) {
    std::copy_n(from, v->size(), v->begin());
    from += static_cast<std::ptrdiff_t>(v->size());
  }
}

}  // namespace anomctl
