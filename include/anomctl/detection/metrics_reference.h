// The metrics of the Python references, quirks included, for comparison with their published figures (`--compat
// reference`, `--legacy-pa`). Thread rule: values and pure functions.
#pragma once

#include <span>
#include <vector>

#include "anomctl/detection/metrics.h"

namespace anomctl {

// F1, precision, recall with 1e-5 added to every denominator: a perfect prediction scores 0.99999.
PointMetrics reference_metrics(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels);

// score >= threshold, and a score that is not a number is anomalous.
Flags reference_predict(std::span<const double> scores, double threshold);

// Point adjustment: an event with one flagged row counts as flagged all along. It flatters: a random score reaches high
// figures (Kim et al., AAAI 2022).
Flags point_adjust(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels);

struct ReferenceLatency {
  struct Identified {
    RowRange rows;
    std::int64_t delay = 0;
  };
  std::vector<Identified> identified;
  std::vector<RowRange> not_identified;
  double average_delay = 0;  // NaN when none is identified
};
// Delay from an event's start to the first flagged row; an event that reaches the end of the series is in neither list.
ReferenceLatency reference_latency(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels);

// The first best of 200 evenly spaced thresholds from the least to the largest score, by reference_metrics; with
// `adjusted` after point adjustment.
struct GridF1 {
  std::size_t index = 0;
  double threshold = 0, f1 = 0;
};
GridF1 reference_best_f1(std::span<const double> scores, std::span<const std::uint8_t> labels, bool adjusted = false);

}  // namespace anomctl
