// Readings that are missing around the beginning of a connection, by the period of the bundle: from the last row of an
// asset before it to those that come soon after. A broker that was killed loses what it had not saved, and nobody else
// can tell. Private to manage. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "anomctl/core/time.h"

namespace anomctl::manage {

class MissingRows {
 public:
  explicit MissingRows(double period_s) : period_(static_cast<Nanoseconds>(period_s * 1e9)) {}
  void connected(Nanoseconds now) { until_ = now + kSoon; }
  // `time` is the row's, `received` when it came. `counts`: false for a row that was told before.
  void see(const std::string& asset, Nanoseconds time, Nanoseconds received, bool counts);
  std::int64_t rows() const { return rows_; }

 private:
  // What the broker had kept comes before what it had lost.
  static constexpr Nanoseconds kSoon = 30 * kSecond;
  Nanoseconds period_, until_ = 0;
  std::int64_t rows_ = 0;
  std::unordered_map<std::string, Nanoseconds> last_;  // row of an asset
};

}  // namespace anomctl::manage
