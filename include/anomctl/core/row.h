// One reading of all sensors of one asset, and where rows come from.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "anomctl/core/time.h"

namespace anomctl {

// `values[c]` in the unit of column c; NaN is a missing value. `time` in nanoseconds since the epoch.
struct Row {
  Nanoseconds time = 0;
  std::vector<double> values;
  Nanoseconds clock_skew = 0;  // not 0: the sender's stamp was off by this and `time` is the arrival's
};

// Rows one after another: a file, a data set, a simulated plant, a broker, a database. Not safe for use from two
// threads at once.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual const std::vector<std::string>& columns() const = 0;
  // False at the end. Reuses the memory of `row`. Throws Error for input that cannot be used.
  virtual bool next(Row& row) = 0;
};

// Rows [first, last], both ends in, 0-based.
struct RowRange {
  std::int64_t first = 0;
  std::int64_t last = -1;
  std::int64_t size() const { return last - first + 1; }
  bool contains(std::int64_t row) const { return row >= first && row <= last; }
  bool operator==(const RowRange&) const = default;
};

}  // namespace anomctl
