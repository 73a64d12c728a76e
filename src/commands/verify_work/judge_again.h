// Judges the stored rows of one asset again, from a state that the store keeps onwards, and compares. Private to verify.
// Thread rule: one thread an object.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anomctl/detection/replay.h"
#include "anomctl/io/store/record_store.h"

namespace anomctl::verify_work {

// On another instruction set scores and expectations may differ by this, times their size where that is above 1.
inline constexpr double kAcrossInstructionSets = 2e-6;

struct Difference {
  std::string asset;
  Nanoseconds time = 0;
  std::string id;                     // of the stored verdict
  std::string what;                   // values, state, score, threshold, is_anomaly, episode, reason, expected, before
  std::string stored, again;          // as text
  bool after_altered_values = false;  // rows before it in its window are not those that were judged
};

struct Outcome {
  std::int64_t rows = 0, judged = 0;               // judged: again
  std::int64_t equal = 0, within = 0;              // to the last bit; within kAcrossInstructionSets
  std::int64_t altered_values = 0, differ = 0;     // differ: the values are those of the id, the verdict is another
  std::int64_t at_limit = 0;                       // of `within`: so near the limit that is_anomaly may be either
  std::int64_t damaged_states = 0, missing = 0;    // missing: rows between those that are there
  std::map<std::string, std::int64_t> not_judged;  // why
  std::vector<Difference> differences;             // the first so many
  std::int64_t not_judged_rows() const;
  bool good() const { return altered_values == 0 && differ == 0 && damaged_states == 0; }
};

inline constexpr std::size_t kMostDifferences = 1000;

class JudgeAgain {
 public:
  // Rows before `from` lead up to what is asked for and are not counted. Requires: model and outcome outlive this.
  JudgeAgain(std::shared_ptr<const Bundle> bundle, const WindowModel& model, Nanoseconds from, Outcome& outcome);
  // Of one asset, by time.
  void push(StoredRow row);
  void finish() { close(); }

 private:
  bool open(const StoredRow& row);
  bool same_layout(const StoredRow& row) const;
  void begin(const StoredRow& row, bool follows);
  void close();
  void cannot(const StoredRow& row, const std::string& why);
  void compare(const StoredRow& row, const Verdict& verdict);
  void note(const StoredRow& row, const char* what, std::string stored, std::string again);
  bool same(double stored, double again);
  bool same_expected(const StoredRow& row);

  const std::shared_ptr<const Bundle> bundle_;
  const WindowModel& model_;
  const Nanoseconds from_;
  Outcome& outcome_;
  const std::string here_;  // instruction set
  std::shared_ptr<const StoredLayout> layout_;
  std::unique_ptr<Detector> detector_;
  std::unique_ptr<BatchJudge> judge_;
  std::deque<StoredRow> waiting_;  // pushed and not compared
  std::string why_not_;            // while no detector follows
  std::int64_t place_ = 0;
  Nanoseconds last_ = 0;  // stamp of the last row with values
  bool exact_ = true;     // the same instruction set
  bool altered_ = false, unsure_ = false, bitwise_ = true;
  std::vector<double> expected_;
};

}  // namespace anomctl::verify_work
