#include "anomctl/detection/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace anomctl {
namespace {

// Rows by falling score, and for each distinct score the counts of both classes at or above it.
struct Cut {
  double score = 0;
  double positives = 0, negatives = 0;
};

std::vector<Cut> cuts(std::span<const double> scores, std::span<const std::uint8_t> labels) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
  std::vector<Cut> out;
  Cut running;
  for (const auto row : order) {
    if (out.empty() || scores[row] != running.score) out.push_back(running);
    running.score = scores[row];
    (labels[row] ? running.positives : running.negatives) += 1;
    out.back() = running;
  }
  return out;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto n = values.size();
  return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

}  // namespace

Confusion confusion(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels) {
  Confusion c;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i])
      ++(predicted[i] ? c.true_positives : c.false_negatives);
    else
      ++(predicted[i] ? c.false_positives : c.true_negatives);
  }
  return c;
}

PointMetrics point_metrics(const Confusion& counts) {
  const auto tp = static_cast<double>(counts.true_positives), fp = static_cast<double>(counts.false_positives),
             fn = static_cast<double>(counts.false_negatives);
  PointMetrics m;
  if (tp + fp > 0) m.precision = tp / (tp + fp);
  if (tp + fn > 0) m.recall = tp / (tp + fn);
  if (2 * tp + fp + fn > 0) m.f1 = 2 * tp / (2 * tp + fp + fn);
  return m;
}

Flags predict(std::span<const double> scores, double threshold) {
  Flags flags(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) flags[i] = scores[i] >= threshold;
  return flags;
}

std::optional<double> roc_auc(std::span<const double> scores, std::span<const std::uint8_t> labels) {
  double area = 0;
  Cut before;
  for (const auto& cut : cuts(scores, labels)) {
    area += (cut.negatives - before.negatives) * (cut.positives + before.positives) / 2;
    before = cut;
  }
  if (before.positives == 0 || before.negatives == 0) return std::nullopt;
  return area / before.positives / before.negatives;
}

std::optional<double> average_precision(std::span<const double> scores, std::span<const std::uint8_t> labels) {
  double sum = 0;
  Cut before;
  for (const auto& cut : cuts(scores, labels)) {
    sum += (cut.positives - before.positives) * cut.positives / (cut.positives + cut.negatives);
    before = cut;
  }
  if (before.positives == 0) return std::nullopt;
  return sum / before.positives;
}

BestF1 best_f1(std::span<const double> scores, std::span<const std::uint8_t> labels) {
  const double positives =
      static_cast<double>(std::count_if(labels.begin(), labels.end(), [](auto l) { return l != 0; }));
  BestF1 best{-1, 0};
  for (const auto& cut : cuts(scores, labels)) {
    const double total = cut.positives + cut.negatives + positives;
    const double f1 = total > 0 ? 2 * cut.positives / total : 0;
    if (f1 > best.f1) best = {f1, cut.score};
  }
  best.f1 = std::max(best.f1, 0.0);
  return best;
}

std::vector<RowRange> runs_of_ones(std::span<const std::uint8_t> flags) {
  std::vector<RowRange> runs;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (!flags[i]) continue;
    const auto row = static_cast<std::int64_t>(i);
    if (!runs.empty() && runs.back().last == row - 1)
      runs.back().last = row;
    else
      runs.push_back({row, row});
  }
  return runs;
}

EventMetrics event_metrics(const EventInput& input) {
  EventMetrics m;
  std::vector<double> delays;
  for (const auto& event : input.events) {
    EventOutcome outcome;
    outcome.rows = event;
    for (auto row = event.first; row <= event.last; ++row) {
      const auto i = static_cast<std::size_t>(row);
      if (!input.scored[i]) continue;
      outcome.judged = true;
      if (!input.predicted[i]) continue;
      outcome.found = true;
      outcome.delay_rows = row - event.first;
      break;
    }
    m.judged += outcome.judged;
    m.found += outcome.found;
    if (outcome.found) delays.push_back(static_cast<double>(outcome.delay_rows));
    m.events.push_back(outcome);
  }
  if (m.judged > 0) m.recall = static_cast<double>(m.found) / static_cast<double>(m.judged);
  if (!delays.empty()) {
    m.mean_delay_rows = std::accumulate(delays.begin(), delays.end(), 0.0) / static_cast<double>(delays.size());
    m.median_delay_rows = median(delays);
  }
  m.episodes = static_cast<std::int64_t>(input.episodes.size());
  for (const auto& episode : input.episodes) {
    const bool touches = std::any_of(input.labels.begin() + episode.first, input.labels.begin() + episode.last + 1,
                                     [](auto l) { return l != 0; });
    if (!touches) ++m.false_episodes;
  }
  std::int64_t normal_rows = 0;
  for (std::size_t i = 0; i < input.labels.size(); ++i) normal_rows += input.scored[i] && !input.labels[i];
  m.normal_days = static_cast<double>(normal_rows) * input.period_s / 86'400.0;
  if (m.normal_days > 0) m.false_episodes_per_day = static_cast<double>(m.false_episodes) / m.normal_days;
  return m;
}

}  // namespace anomctl
