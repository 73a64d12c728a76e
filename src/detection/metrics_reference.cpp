#include "anomctl/detection/metrics_reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace anomctl {

PointMetrics reference_metrics(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels) {
  constexpr double kExtra = 1e-5;
  const auto c = confusion(predicted, labels);
  const auto tp = static_cast<double>(c.true_positives);
  PointMetrics m;
  m.precision = tp / (tp + static_cast<double>(c.false_positives) + kExtra);
  m.recall = tp / (tp + static_cast<double>(c.false_negatives) + kExtra);
  m.f1 = 2 * m.precision * m.recall / (m.precision + m.recall + kExtra);
  return m;
}

Flags reference_predict(std::span<const double> scores, double threshold) {
  Flags flags(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) flags[i] = std::isnan(scores[i]) || scores[i] >= threshold;
  return flags;
}

Flags point_adjust(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels) {
  Flags out(predicted.begin(), predicted.end());
  for (const auto& event : runs_of_ones(labels)) {
    const auto begin = out.begin() + event.first, end = out.begin() + event.last + 1;
    if (std::find(begin, end, 1) != end) std::fill(begin, end, std::uint8_t{1});
  }
  return out;
}

ReferenceLatency reference_latency(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels) {
  ReferenceLatency out;
  double sum = 0;
  for (const auto& event : runs_of_ones(labels)) {
    if (event.last + 1 == static_cast<std::int64_t>(labels.size())) continue;
    const auto begin = predicted.begin() + event.first, end = predicted.begin() + event.last + 1;
    const auto hit = std::find_if(begin, end, [](auto p) { return p != 0; });
    if (hit == end) {
      out.not_identified.push_back(event);
    } else {
      out.identified.push_back({event, hit - begin});
      sum += static_cast<double>(hit - begin);
    }
  }
  out.average_delay = out.identified.empty() ? std::numeric_limits<double>::quiet_NaN()
                                             : sum / static_cast<double>(out.identified.size());
  return out;
}

GridF1 reference_best_f1(std::span<const double> scores, std::span<const std::uint8_t> labels, bool adjusted) {
  constexpr std::size_t kPoints = 200;
  const auto [least, most] = std::minmax_element(scores.begin(), scores.end());
  const double step = (*most - *least) / static_cast<double>(kPoints - 1);
  GridF1 best;
  best.f1 = -1;
  for (std::size_t i = 0; i < kPoints; ++i) {
    const double threshold = i + 1 == kPoints ? *most : static_cast<double>(i) * step + *least;
    auto flags = reference_predict(scores, threshold);
    if (adjusted) flags = point_adjust(flags, labels);
    const double f1 = reference_metrics(flags, labels).f1;
    if (f1 > best.f1) best = {i, threshold, f1};
  }
  return best;
}

}  // namespace anomctl
