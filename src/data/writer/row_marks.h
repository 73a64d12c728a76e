// What is remembered of every row while a data set is written: its stamp, label, whether it is idle, where runs begin,
// and which anomalies it belongs to. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "anomctl/core/row.h"
#include "anomctl/data/anomalies.h"
#include "anomctl/data/condition.h"
#include "anomctl/data/source.h"

namespace anomctl {

// The rows of an anomaly, without a break. An anomaly that several files of the same time cover has one a file.
struct Stretch {
  std::size_t anomaly = 0;
  std::int64_t first = 0, last = 0;  // rows, both in
  std::int64_t file = 0;
};

// Rows that the intervals cover, as the rows come by.
class IntervalLabels {
 public:
  explicit IntervalLabels(const std::vector<Anomaly>& anomalies) : anomalies_(anomalies), open_(anomalies.size()) {}
  // True when row number `row` at `time` lies in an interval.
  bool label(std::int64_t row, Nanoseconds time, std::int64_t file);
  const std::vector<Stretch>& stretches() const { return stretches_; }
  bool covered(std::size_t anomaly) const { return open_[anomaly].has_value(); }

 private:
  const std::vector<Anomaly>& anomalies_;
  std::vector<std::optional<std::size_t>> open_;  // the anomaly's last stretch
  std::vector<Stretch> stretches_;
  std::size_t cursor_ = 0;  // intervals before it are over
  Nanoseconds last_ = 0;
};

struct RowMarks {
  static constexpr std::uint8_t kLabel = 1, kIdle = 2, kStart = 4;
  std::vector<Nanoseconds> times;
  std::vector<std::uint8_t> flags;
  struct File {
    std::int64_t first_row, number;
  };
  std::vector<File> files;

  std::int64_t rows() const { return static_cast<std::int64_t>(flags.size()); }
  bool has(std::int64_t row, std::uint8_t flag) const { return (flags[static_cast<std::size_t>(row)] & flag) != 0; }
  std::int64_t file_of(std::int64_t row) const;
};

// Whether the machine is at work: the condition, and the time to settle after it did not hold.
class Activity {
 public:
  Activity(const std::string& active_when, double settle_s, const std::vector<std::string>& columns)
      : condition_(Condition::parse(active_when, columns)), settle_(static_cast<Nanoseconds>(settle_s * 1e9)) {}
  // As the detector judges it: the time to settle is forgotten where a run begins.
  bool idle(const Row& row, bool starts_run);

 private:
  Condition condition_;
  Nanoseconds settle_;
  std::optional<Nanoseconds> idle_since_;  // the last row at which the condition did not hold
};

// Runs of rows first..last of the data set: they begin where the marks say, and after rows that are left out.
struct TimedRun {
  std::int64_t start = 0, end = 0;  // rows of the part, both in
  Nanoseconds first_time = 0;
  std::int64_t file = 0;
};
std::vector<TimedRun> runs_of(const RowMarks& marks, std::int64_t first, std::int64_t end, bool leave_idle_out);

}  // namespace anomctl
