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

// Most that the start of a run may move: a sensor's mean, in deviations of the train rows, and a member's log score. A
// fault that was there from the start shows once it goes beyond.
constexpr double kMostShift = 3;
constexpr double kMostLevel = 1;

double sum(std::span<const double> values) {
  double total = 0;
  for (const double v : values) total += v;
  return total;
}

}  // namespace

double PanelVoices::surprise(std::size_t member, double score) const {
  const double held = tails[member].surprise(score);
  return all_tails[member].sample.empty() ? held : std::min(held, all_tails[member].surprise(score));
}

PanelMemory::PanelMemory(std::shared_ptr<const PanelVoices> voices, std::int64_t healthy_start)
    : voices_(std::move(voices)), healthy_start_(healthy_start) {
  for (auto* v : {&centre_, &chart_, &relation_share_, &var_share_, &network_share_})
    v->assign(voices_->mean.size(), 0);
}

void PanelMemory::restart() {
  seen_ = 0;
  started_ = judged_ = 0;
  level_.fill(0);
  relation_ = var_ = network_ = 0;
  for (auto* v : {&centre_, &chart_, &relation_share_, &var_share_, &network_share_})
    std::fill(v->begin(), v->end(), 0.0);
}

bool PanelMemory::push(const PanelParts& parts, std::span<const std::uint8_t> missing, PanelOpinion& out) {
  const double clip = voices_->chart_clip;
  const bool starts = started_ < healthy_start_;
  if (starts) ++started_;
  for (std::size_t i = 0; i < chart_.size(); ++i) {
    if (missing[i] != 0) continue;
    const double z = std::clamp(parts.z[i], -clip, clip);
    chart_[i] += voices_->chart_lambda * (z - chart_[i]);
    if (starts) centre_[i] += (std::clamp(z, -kMostShift, kMostShift) - centre_[i]) / static_cast<double>(started_);
  }
  const bool judged = ready();
  in_start_ = judged && judged_ < healthy_start_;
  if (in_start_) ++judged_;
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
    chart = std::max(chart, std::min(std::fabs(chart_[i]), std::fabs(chart_[i] - centre_[i])) / stationary);
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
  out.raw = {chart, centred(0, relation_, m.tails[1]), centred(1, var_, m.tails[2])};
  out.score = out.network_raw = out.network_surprise = 0;
  for (std::size_t i = 0; i < kPanelMembers; ++i) {
    out.surprise[i] = m.surprise(i, out.raw[i]);
    out.score += out.surprise[i] / kPanelMembers;
  }
  if (m.voice == 0) return;
  smooth_score(network_, std::log1p(std::sqrt(std::max(0.0, network))), m.var_lambda, first, m.network_tail);
  out.network_raw = centred(2, network_, m.network_tail);
  out.network_surprise = m.network_tail.surprise(out.network_raw);
  out.score = (1 - m.voice) * out.score + m.voice * out.network_surprise;
}

// A smoothed log score without what the start of the run had over the usual.
double PanelMemory::centred(std::size_t member, double score, const TailCurve& tail) {
  if (healthy_start_ == 0) return score;
  double& level = level_[member];
  if (in_start_) level += (score - level) / static_cast<double>(judged_);
  return score - std::clamp(level - tail.usual().value_or(level), 0.0, kMostLevel);
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
  std::vector<double> out = {static_cast<double>(seen_),    relation_, var_,      network_,
                             static_cast<double>(started_), level_[0], level_[1], level_[2],
                             static_cast<double>(judged_)};
  for (const auto* v : {&centre_, &chart_, &relation_share_, &var_share_, &network_share_})
    out.insert(out.end(), v->begin(), v->end());
  return out;
}

void PanelMemory::restore(std::span<const double> state) {
  if (state.size() != 9 + 5 * chart_.size())
    throw input_error("a snapshot of the panel has the wrong size: it belongs to another model");
  seen_ = static_cast<std::size_t>(state[0]);
  relation_ = state[1];
  var_ = state[2];
  network_ = state[3];
  started_ = static_cast<std::int64_t>(state[4]);
  std::copy_n(state.begin() + 5, level_.size(), level_.begin());
  judged_ = static_cast<std::int64_t>(state[8]);
  auto from = state.begin() + 9;
  for (auto* v : {&centre_, &chart_, &relation_share_, &var_share_, &network_share_}) {
    std::copy_n(from, v->size(), v->begin());
    from += static_cast<std::ptrdiff_t>(v->size());
  }
}

}  // namespace anomctl
