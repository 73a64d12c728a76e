// Judges the eval part of a data set with a bundle, row by row as live, and counts how it did. Thread rule: one thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/core/progress.h"
#include "anomctl/core/stop.h"
#include "anomctl/data/data_set.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/detection/detector.h"
#include "anomctl/detection/episodes.h"
#include "anomctl/detection/metrics.h"
#include "anomctl/detection/thresholds.h"
#include "anomctl/model/window_model.h"

namespace anomctl {

struct JudgeSettings {
  EpisodeSettings episodes;
  std::int64_t healthy_start = 0;
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

// What one pass over rows tells: one a row, NaN where there is none.
struct MemberScores {
  explicit MemberScores(std::size_t rows = 0);
  void take(std::size_t row, const RowScore& said);
  std::vector<double> score;                                   // of the bundle
  std::array<std::vector<double>, kPanelMembers + 2> members;  // as in RowScore
};

// Puts rows over the limit together by the episode that they belong to.
class EpisodeRows {
 public:
  void take(const std::string& id, std::int64_t row, double score);
  std::vector<FoundEpisode> episodes;
  FoundEpisode* find(const std::string& id);  // null for one without such a row

 private:
  std::map<std::string, std::size_t> index_;
  std::vector<double> peaks_;
};

struct Judgement {
  std::vector<double> scores;  // one an eval row, NaN where there is none
  MemberScores members;        // the same pass
  Flags flagged;               // over the limit
  Flags alarmed;               // and part of an episode, which takes more than one row
  std::vector<FoundEpisode> episodes;
  Matrix<float> expected;  // (rows, o), in the sensor's unit, NaN where there is no score
  std::int64_t warmup_rows = 0;
};

// Scores of the train rows that are labelled normal: what the limit is chosen from.
MemberScores train_scores(const std::shared_ptr<const Bundle>& bundle, const WindowModel& model, const DataSet& set,
                          const JudgeSettings& settings, Progress& progress, std::stop_token stop);

// Scores of the eval rows without a limit, for the oracle.
MemberScores eval_scores(const std::shared_ptr<const Bundle>& bundle, const WindowModel& model, const DataSet& set,
                         const JudgeSettings& settings, Progress& progress, std::stop_token stop);

// 1: labelled normal, one a row.
std::vector<std::uint8_t> normal_rows(const Part& part);

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
