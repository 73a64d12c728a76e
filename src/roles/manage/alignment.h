// The readings of one asset as rows in order of time: parts of one instant become one row, late ones are waited for,
// duplicates and stamps that go back are told apart, and sensors that publish apart and at different rates are put on a
// common grid. Every reading has one outcome, which is counted: docs/streams.md lists them. What comes out depends on
// the readings and their arrivals only, so a recording gives the same rows. Private to manage. Thread rule: one thread
// an object.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "anomctl/core/row.h"
#include "anomctl/core/state_bytes.h"
#include "anomctl/data/sensor_payload.h"
#include "roles/manage/grid.h"

namespace anomctl::manage {

struct AlignmentSettings {
  GridSettings grid;         // period 0: rows keep their stamps
  Nanoseconds late = 0;      // a row is given out only once a stamp this much newer was seen
  Nanoseconds max_skew = 0;  // a stamp further from its arrival is a fault of the clock; 0: not looked at
};

struct AlignmentCounts {
  std::int64_t readings = 0;
  std::int64_t duplicates = 0;   // said what was known already
  std::int64_t conflicting = 0;  // said something else of a sensor and an instant that are known: the first stays
  std::int64_t late = 0;         // older than what was given out
  std::int64_t set_back = 0;     // the clock went back for good: rows begin anew
  std::int64_t skewed = 0;       // stamps too far from their arrival, which stands in
  std::int64_t crowded = 0;      // instants given out early because too many waited
  AlignmentCounts& operator+=(const AlignmentCounts& other);
};

class Alignment {
 public:
  Alignment(const AlignmentSettings& settings, std::size_t columns);
  // `received` is the arrival. Appends the rows that are complete.
  void add(const SensorPayload::Reading& reading, Nanoseconds received, std::vector<Row>& rows);
  // Nothing more will come for a while: gives out what waits.
  void finish(std::vector<Row>& rows);
  const AlignmentCounts& counts() const { return counts_; }

  void write(StateWriter& out) const;
  // Throws Error(bad_input); the alignment is then to be thrown away.
  void read(StateReader& in);

 private:
  struct Instant {
    std::vector<double> values;
    std::vector<bool> given;
    bool whole = false, stamped = false;
    Nanoseconds skew = 0;
  };
  struct Given {
    Nanoseconds time = 0;
    std::vector<bool> sensors;
  };
  bool is_behind(const SensorPayload::Reading& reading, Nanoseconds time, std::vector<Row>& rows);
  void merge(Instant& instant, const SensorPayload::Reading& reading);
  void release(std::vector<Row>& rows);
  void give_front(std::vector<Row>& rows);
  bool complete(const Instant& instant) const;
  bool leaps(Nanoseconds before, Nanoseconds last, Nanoseconds time, const Instant& instant) const;
  bool front_is_settled() const;

  AlignmentSettings settings_;
  std::size_t columns_;
  Grid grid_;
  std::map<Nanoseconds, Instant> waiting_;
  std::optional<Nanoseconds> newest_;  // largest stamp
  std::deque<Given> given_;            // the last instants that were given out, oldest first
  std::int64_t behind_ = 0;            // late readings one after another, each newer than the one before
  Nanoseconds behind_time_ = 0;
  AlignmentCounts counts_;
};

}  // namespace anomctl::manage
