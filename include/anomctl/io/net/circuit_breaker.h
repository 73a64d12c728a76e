// Leaves a service alone that has failed several times in a row, and then lets one careful try through. Thread rule: one
// thread an object.
#pragma once

#include "anomctl/core/time.h"

namespace anomctl {

class CircuitBreaker {
 public:
  enum class State { closed, open, half_open };  // closed: all may pass; half open: one try, whose outcome decides

  CircuitBreaker(int failures, Duration open_for) : failures_(failures), open_for_(open_for) {}
  // `now` is steady.
  State state(Nanoseconds now) const {
    if (in_a_row_ < failures_) return State::closed;
    return now - opened_ < open_for_.ns ? State::open : State::half_open;
  }
  // When it will be half open.
  Nanoseconds until() const { return opened_ + open_for_.ns; }
  void succeeded() { in_a_row_ = 0; }
  // True when it opened by this.
  bool failed(Nanoseconds now) {
    ++in_a_row_;
    if (in_a_row_ >= failures_) opened_ = now;
    return in_a_row_ == failures_;
  }

 private:
  int failures_;
  Duration open_for_;
  int in_a_row_ = 0;
  Nanoseconds opened_ = 0;
};

}  // namespace anomctl
