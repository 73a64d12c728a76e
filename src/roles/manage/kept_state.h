// What a manager hands on with a row, so that its verdict can be judged again: the row's place among those of its asset,
// and now and then all that the detector remembered before it. Private to manage. Thread rule: one thread an object.
#pragma once

#include <string>
#include <utility>

#include "anomctl/core/state_bytes.h"
#include "anomctl/detection/detector.h"

namespace anomctl::manage {

// A state is a window of rows and some numbers a sensor: an hour of rows is a hundred times as much.
inline constexpr Nanoseconds kKeptStateEvery = kHour;

class KeptState {
 public:
  // Before rows from `first` on are judged, the last row before them being of `last`. Requires: judged up to there.
  void look(const Detector& detector, Nanoseconds last, Nanoseconds first) {
    StateWriter out;
    out.number(last);
    out.text(detector.snapshot());
    before_ = out.bytes();
    since_ = first;
    due_ = false;
  }
  bool due(Nanoseconds first) const { return due_ || first < since_ || first - since_ >= kKeptStateEvery; }
  // What comes does not follow from the rows alone: another model, a word of a person.
  void begin_anew() {
    due_ = true;
    place_ = 0;
  }
  // Of the row that was judged.
  std::int64_t next_place() { return ++place_; }
  std::string take_before() { return std::exchange(before_, {}); }

 private:
  bool due_ = true;
  std::int64_t place_ = 0;
  Nanoseconds since_ = 0;
  std::string before_;
};

}  // namespace anomctl::manage
