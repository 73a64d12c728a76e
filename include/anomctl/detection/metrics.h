// How good scores and predictions are against labels, row by row and event by event. Rows whose score is not finite
// (warming up, idle) take no part: callers leave them out or mask them. Thread rule: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "anomctl/core/row.h"

namespace anomctl {

using Flags = std::vector<std::uint8_t>;  // 0 or 1, one a row

struct Confusion {
  std::int64_t true_positives = 0, false_positives = 0, true_negatives = 0, false_negatives = 0;
};
// Requires: equal sizes.
Confusion confusion(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> labels);

// 0 where a denominator is 0, as scikit-learn has it.
struct PointMetrics {
  double f1 = 0, precision = 0, recall = 0;
};
PointMetrics point_metrics(const Confusion& counts);

// score >= threshold; a score that is not a number is not anomalous.
Flags predict(std::span<const double> scores, double threshold);

// Area under the ROC curve: the chance that an anomalous row scores above a normal one, ties count half. Nothing when
// either class is absent. Requires: finite scores, equal sizes.
std::optional<double> roc_auc(std::span<const double> scores, std::span<const std::uint8_t> labels);
// Area under the precision-recall curve as average precision (a step function, no interpolation). Nothing without
// anomalous rows.
std::optional<double> average_precision(std::span<const double> scores, std::span<const std::uint8_t> labels);

// The limit that gives the best F1 on these labels: an oracle, no figure to report as a detector's own.
struct BestF1 {
  double f1 = 0;
  double threshold = 0;
};
// Over all thresholds; of several the largest. Requires: at least one finite score.
BestF1 best_f1(std::span<const double> scores, std::span<const std::uint8_t> labels);

// Runs of 1, both ends in.
std::vector<RowRange> runs_of_ones(std::span<const std::uint8_t> flags);

// One labelled event and how it was met.
struct EventOutcome {
  RowRange rows;
  bool found = false;           // at least one of its scored rows was flagged
  bool judged = false;          // at least one of its rows has a score
  std::int64_t delay_rows = 0;  // from its first row to the first flagged one
};

struct EventMetrics {
  std::vector<EventOutcome> events;
  std::int64_t judged = 0, found = 0;
  double recall = 0;                                         // found / judged, 0 without events
  std::optional<double> mean_delay_rows, median_delay_rows;  // of the found ones
  std::int64_t false_episodes = 0;                           // found episodes that touch no labelled row
  std::int64_t episodes = 0;                                 // all found episodes
  double normal_days = 0;                                    // time of the scored rows that are labelled normal
  std::optional<double> false_episodes_per_day;
};
struct EventInput {
  std::span<const std::uint8_t> predicted;  // one a row
  std::span<const std::uint8_t> labels;
  std::span<const std::uint8_t> scored;  // 1: the row has a score
  std::span<const RowRange> events;      // labelled
  std::span<const RowRange> episodes;    // found
  double period_s = 1;
};
EventMetrics event_metrics(const EventInput& input);

}  // namespace anomctl
