// The eval part as a protocol sees it. Thread rule: values; the data set outlives the view.
#pragma once

#include "anomctl/detection/detector.h"
#include "commands/evaluate/evaluation.h"

namespace anomctl {

// Eval as this protocol sees it, without a copy where none is needed.
class EvalView {
 public:
  EvalView(const DataSet& set, const JudgeSettings& settings) : part_(&set.eval) {
    follows_train_ = settings.one_series || !set.has_meta;
    if (!settings.one_series || set.eval.runs.size() <= 1) return;
    joined_ = set.eval;
    joined_.runs = {{0, static_cast<std::int64_t>(set.eval.values.rows()) - 1}};
    part_ = &joined_;
  }
  EvalView(const EvalView&) = delete;
  EvalView& operator=(const EvalView&) = delete;
  const Part& part() const { return *part_; }
  const Part* lead_in(const DataSet& set) const { return follows_train_ ? &set.train : nullptr; }

 private:
  const Part* part_;
  Part joined_;
  bool follows_train_ = false;
};

inline DetectorOptions detector_options(const JudgeSettings& settings) {
  DetectorOptions options;
  options.episodes = settings.episodes;
  options.healthy_start = settings.healthy_start;
  if (settings.one_series) options.max_gap_periods = 0;
  return options;
}

}  // namespace anomctl
