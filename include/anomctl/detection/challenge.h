// Whether one detector is no worse than another on the same rows: the test that a new model must pass before it takes an
// old one's place. Rows follow on each other and come in episodes, so whole blocks of rows are drawn anew, both
// detectors' together (paired moving of contiguous blocks; Kuensch 1989). Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace anomctl {

struct ChallengeSettings {
  std::int64_t blocks = 40;     // contiguous, of about equal length
  std::int64_t draws = 400;     // of as many blocks, with replacement
  double confidence = 0.95;     // one-sided
  double margin = 0.02;         // PR-AUC that the new one may lose
  double alarm_margin = 0.01;   // share of normal rows that it may flag more
  double recall_margin = 0.02;  // share of anomalous rows that it may flag less
  std::uint64_t seed = 1;
};

// What one detector said of the rows: scores (NaN: none), flags (0 or 1) at its own limit.
struct Opinions {
  std::span<const double> scores;
  std::span<const std::uint8_t> flagged;
};

struct ChallengeResult {
  std::int64_t rows = 0, anomalous = 0;  // that both judged
  // PR-AUC of each, the difference new - old and its lower bound; empty where the rows hold no anomaly or nothing else.
  std::optional<double> old_pr_auc, new_pr_auc, lower;
  // Share of normal rows over the limit, and the upper bound of the difference.
  double old_alarms = 0, new_alarms = 0, upper_alarms = 0;
  // Share of anomalous rows over the limit, and the lower bound of the difference; empty where none is labelled.
  std::optional<double> old_recall, new_recall, lower_recall;
  bool passed = false;
  std::string in_words;  // one sentence: the test, its figures, what follows
};

// Requires equal lengths. Throws Error(bad_input) with fewer than 2 rows a block that both judged.
ChallengeResult challenge(const Opinions& champion, const Opinions& challenger, std::span<const std::uint8_t> labels,
                          const ChallengeSettings& settings);

}  // namespace anomctl
