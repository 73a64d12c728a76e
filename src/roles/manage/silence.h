// When an asset has been silent for too long. Live, the clock finds it out and a note of it goes through the same queue
// as readings, so that a restart and a recording know of it too. Private to manage. Thread rule: values.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "anomctl/core/time.h"

namespace anomctl::manage {

// In place of a payload: the asset has said nothing.
inline constexpr char kSilenceMark = '\1';
// In front of a payload of the maintenance topic.
inline constexpr char kMaintenanceMark = '\2';

// Of a message from the broker: one of the maintenance topic gets its mark, a reading cannot look like a note of ours.
inline void mark(std::string& payload, bool of_sensor) {
  if (!of_sensor)
    payload.insert(0, 1, kMaintenanceMark);
  else if (!payload.empty() && (payload.front() == kSilenceMark || payload.front() == kMaintenanceMark))
    payload.insert(0, 1, ' ');
}

struct Silence {
  static constexpr Nanoseconds kAgain = kMinute;  // it is told again so often while it lasts

  Nanoseconds received = 0;  // arrival of the last reading; 0: none yet
  Nanoseconds stamp = 0;     // of the last row
  std::int64_t told = 0;     // no_data verdicts since then

  void heard(Nanoseconds arrival) {
    received = arrival;
    told = 0;
  }
  // How long the next verdict wants it to have been.
  Nanoseconds wanted(Nanoseconds after) const { return after + told * std::max(after, kAgain); }
  bool due(Nanoseconds now, Nanoseconds listening_since, Nanoseconds after) const {
    return received != 0 && stamp != 0 && after > 0 && now - std::max(received, listening_since) >= wanted(after);
  }
  // The stamp of the verdict that the silence until `now` brings about.
  std::optional<Nanoseconds> tell(Nanoseconds now, Nanoseconds after) {
    if (!due(now, 0, after)) return std::nullopt;
    const Nanoseconds time = stamp + wanted(after);
    ++told;
    return time;
  }
};

}  // namespace anomctl::manage
