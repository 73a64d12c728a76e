// What a bundle is worth beside what is cheaper: its members one by one, the panel without its networks, MTAD-GAT alone
// and with the weights it started from, and detectors of a few lines; all on the same rows, each with a limit by the
// same rule from the same train rows. Thread rule: one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/core/progress.h"
#include "anomctl/core/stop.h"
#include "anomctl/data/data_set.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/model/cheap_detectors.h"
#include "commands/evaluate/evaluation.h"

namespace anomctl {

struct ComparedDetector {
  std::string name;
  std::string group;           // bundle, member, network, cheap
  std::vector<double> scores;  // one an eval row, NaN where there is none
  Json figures;                // pr_auc roc_auc vus_pr affiliation_f1 f1 best_f1_oracle false_episodes_per_day
                               // delay_seconds_median threshold event_recall, null where unknown
};

struct ComparisonInput {
  const std::shared_ptr<const Bundle>& bundle;  // with its limit chosen
  const WindowModel& model;
  const DataSet& set;
  const Judgement& judged;          // by the bundle
  const MemberScores& train;        // of the bundle
  CheapDetectors* cheap = nullptr;  // may be null
  const JudgeSettings& settings;
  bool networks = true;  // also what needs passes of MTAD-GAT that the judging itself did not need
  std::uint64_t seed = 0;
};

inline constexpr const char* kUntrained = "MTAD-GAT untrained";
inline constexpr const char* kLinearPartAlone = "MTAD-GAT's linear part alone";

// Best PR-AUC first. Empty where no row is labelled.
std::vector<ComparedDetector> compare(const ComparisonInput& input, Progress& progress, std::stop_token stop);
Json to_json(const std::vector<ComparedDetector>& detectors);
// One plain sentence or two: does the bundle rank rows better than what is cheaper, and does training show. Empty for an
// empty comparison.
std::string judgement_in_words(const std::vector<ComparedDetector>& detectors);
// A table for the terminal, one line a detector.
std::vector<std::string> comparison_lines(const std::vector<ComparedDetector>& detectors);

// Rows of the buffers that VUS-PR looks at around an event.
inline constexpr std::size_t kVolumeBuffer = 100;

}  // namespace anomctl
