#include "data/writer/row_marks.h"

#include <algorithm>

namespace anomctl {

bool IntervalLabels::label(std::int64_t row, Nanoseconds time, std::int64_t file) {
  if (time < last_) cursor_ = 0;  // another file begins earlier
  last_ = time;
  while (cursor_ < anomalies_.size() && anomalies_[cursor_].end < time) ++cursor_;
  bool inside = false;
  for (std::size_t a = cursor_; a < anomalies_.size() && anomalies_[a].start <= time; ++a) {
    if (anomalies_[a].end < time) continue;
    inside = true;
    if (open_[a] && stretches_[*open_[a]].file == file) {
      stretches_[*open_[a]].last = row;
    } else {
      open_[a] = stretches_.size();
      stretches_.push_back({a, row, row, file});
    }
  }
  return inside;
}

std::int64_t RowMarks::file_of(std::int64_t row) const {
  const auto after = std::upper_bound(files.begin(), files.end(), row,
                                      [](std::int64_t r, const File& file) { return r < file.first_row; });
  return after == files.begin() ? 0 : std::prev(after)->number;
}

bool Activity::idle(const Row& row, bool starts_run) {
  if (condition_.always()) return false;
  if (starts_run) idle_since_.reset();
  if (!condition_.holds(row.values)) {
    idle_since_ = row.time;
    return true;
  }
  if (idle_since_ && row.time > *idle_since_ && row.time - *idle_since_ <= settle_) return true;
  idle_since_.reset();
  return false;
}

std::vector<TimedRun> runs_of(const RowMarks& marks, std::int64_t first, std::int64_t end, bool leave_idle_out) {
  std::vector<TimedRun> runs;
  std::int64_t written = 0;
  bool broken = true;
  for (std::int64_t row = first; row < end; ++row) {
    if (leave_idle_out && marks.has(row, RowMarks::kIdle)) {
      broken = true;
      continue;
    }
    if (broken || marks.has(row, RowMarks::kStart)) {
      runs.push_back({written, written, marks.times[static_cast<std::size_t>(row)], marks.file_of(row)});
    }
    broken = false;
    runs.back().end = written++;
  }
  return runs;
}

}  // namespace anomctl
