// Rows that are missing around the beginning of a connection, by the period of the bundle: between the last row of an
// asset before it and those given out soon after. A broker that was killed loses what it had not saved, and nobody else
// can tell. A jump of more than a day is another clock and no loss. Private to manage. Thread rule: one thread.
#pragma once

#include <cstdint>

#include "anomctl/core/time.h"

namespace anomctl::manage {

class MissingRows {
 public:
  explicit MissingRows(double period_s) : period_(static_cast<Nanoseconds>(period_s * 1e9)) {}
  // `anew`: the broker knew of no earlier connection. Nothing was lost then of assets that were not heard of before.
  void connected(Nanoseconds now, bool anew) {
    until_ = now + kSoon;
    ++connection_;
    anew_ = anew;
  }
  // The present one, counted from 1.
  std::int64_t connection() const { return connection_; }

  struct Step {
    Nanoseconds before = 0, time = 0;  // stamps of a row and of the next one of its asset; before 0: there is none
    Nanoseconds received = 0;          // arrival of what gave it out
    std::int64_t heard_in = 0;         // connection in which the asset was first heard of; 0: an earlier process
  };
  void see(const Step& step);
  std::int64_t rows() const { return rows_; }

 private:
  // What the broker had kept comes before what it had lost.
  static constexpr Nanoseconds kSoon = 30 * kSecond;
  Nanoseconds period_, until_ = 0;
  std::int64_t rows_ = 0, connection_ = 0;
  bool anew_ = false;
};

}  // namespace anomctl::manage
