// Whoever may write to a topic must not fill the log: so many lines in ten seconds. Private to manage. Thread rule:
// values.
#pragma once

#include "anomctl/core/time.h"

namespace anomctl::manage {

class LogPause {
 public:
  explicit LogPause(int lines) : lines_(lines) {}
  // Whether a line may be written at `now` (steady).
  bool due(Nanoseconds now) {
    if (begun_ == 0 || now - begun_ > 10 * kSecond) {
      begun_ = now;
      written_ = 0;
    }
    return ++written_ <= lines_;
  }

 private:
  Nanoseconds begun_ = 0;
  int lines_, written_ = 0;
};

}  // namespace anomctl::manage
