// Judges the eval part of a data set with a bundle, row by row as live, and counts how it did. Thread rule: one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/core/progress.h"
#include "anomctl/core/stop.h"
#include "anomctl/data/data_set.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/detection/episodes.h"
#include "anomctl/detection/metrics.h"
#include "anomctl/detection/thresholds.h"
#include "anomctl/model/window_model.h"

namespace anomctl {

struct JudgeSettings {
  EpisodeSettings episodes;
  bool one_series = false;  // eval follows train and is scored as one series, borders of runs included
  std::size_t batch = 256;
};

// An episode that was found, in rows of eval.
struct FoundEpisode {
  RowRange rows;
  std::int64_t peak_row = 0;
  bool false_alarm = false;  // touches no labelled row
  Episode told;              // as it would have been told live
};

struct Judgement {
  std::vector<double> scores;  // one an eval row, NaN where there is none
  Flags flagged;               // over the limit
  std::vector<FoundEpisode> episodes;
  Matrix<float> expected;  // (rows, o), in the sensor's unit, NaN where there is no score
  std::int64_t warmup_rows = 0;
};

// What the limit is chosen from: scores of the train rows that are labelled normal, in time order.
std::vector<double> train_scores(const std::shared_ptr<const Bundle>& bundle, const WindowModel& model,
                                 const DataSet& set, const JudgeSettings& settings, Progress& progress,
                                 std::stop_token stop);

// Scores of the eval rows without a limit, for the oracle.
std::vector<double> eval_scores(const std::shared_ptr<const Bundle>& bundle, const WindowModel& model,
                                const DataSet& set, const JudgeSettings& settings, Progress& progress,
                                std::stop_token stop);

// Requires: the bundle's limit is chosen.
Judgement judge(const std::shared_ptr<const Bundle>& bundle, const WindowModel& model, const DataSet& set,
                const JudgeSettings& settings, Progress& progress, std::stop_token stop);

struct FigureSettings {
  bool reference = false;  // 1e-5 terms, a score that is not a number is anomalous
  bool point_adjusted = false;
};

// All figures under their names, one flat object; null where a figure cannot be told (no labelled rows).
Json figures(const Judgement& judgement, const DataSet& set, double threshold, const FigureSettings& settings);
EventMetrics events_of(const Judgement& judgement, const DataSet& set);

// `row,score,is_anomaly`, one line an eval row; score and is_anomaly empty while warming up.
std::string scores_csv(const Judgement& judgement);

}  // namespace anomctl
