// The first half of a detector: takes rows in and makes windows of them. Gaps, idle time, missing values, scaling.
// Thread rule: one thread an object.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "anomctl/core/row.h"
#include "anomctl/core/state_bytes.h"
#include "anomctl/data/condition.h"
#include "anomctl/data/scaler.h"
#include "anomctl/detection/sensor_faults.h"

namespace anomctl {

struct IntakeSettings {
  std::size_t window = 0;   // w
  std::size_t sensors = 0;  // k
  Nanoseconds max_gap = 0;  // 0: none
  Nanoseconds settle = 0;   // idle rows after an idle one, before windows begin again
  std::int64_t max_hold_rows = 10;
  Condition active;             // where it does not hold a row is idle
  std::vector<double> typical;  // k, what stands in for a sensor that never gave a value
};

// What the second half needs to know of a row.
struct IntakeRow {
  Nanoseconds time = 0;
  std::vector<double> raw;            // k, as they came
  std::vector<double> values;         // k, NaN where a value is missing or of a broken sensor
  std::vector<double> held;           // k, all finite: what stands in where a value is missing; set where filled > 0
  std::vector<std::uint8_t> missing;  // k
  std::vector<float> scaled;          // k
  std::size_t filled = 0;  // rows in the window, up to w + 1: w + 1 and a window before it can judge this row
  bool fresh = false;      // does not follow the row before
  bool gap = false;        // because of a pause or a stamp that did not advance
  bool idle = false;
  bool has_window = false;
  std::int64_t longest_hold = 0;  // rows since a sensor gave a value, the worst of all
  std::size_t held_sensor = 0;    // that sensor
  bool all_missing = false;
  std::vector<SensorFault> faults;
};

// values (k), all finite -> scaled (k), held within what float sums over a window can bear.
void scale_row(const Scaler& scaler, std::span<const double> values, std::span<float> scaled);

class Intake {
 public:
  Intake(IntakeSettings settings, Scaler scaler, SensorFaults faults);
  // Fills `out` and returns the scaled window (w, k) that ends with the row, valid until the next call, or nothing.
  std::optional<std::span<const float>> push(const Row& row, IntakeRow& out);
  void restart();
  // The last rows, w + 1 at most, unscaled with held values, (n, k).
  std::span<const double> last_rows() const;

  // After the rows of `before`, which is of the same sensors, were pushed: what they do not tell, such as since when a
  // sensor has given no value, is taken over as it is.
  void go_on_from(const Intake& before);

  void write(StateWriter& out) const;
  void read(StateReader& in);

 private:
  void clear();
  void hold(const Row& row, IntakeRow& out);
  void append(IntakeRow& row);

  IntakeSettings settings_;
  Scaler scaler_;
  SensorFaults faults_;
  Row checked_;  // the row without what broken sensors say
  // Rows in order, at most 2 (w + 1) of them, so that a window is one contiguous block; the oldest are dropped by
  // halves.
  std::vector<float> scaled_;
  std::vector<double> values_;
  std::size_t filled_ = 0;              // rows in the two blocks
  std::vector<double> last_value_;      // k, NaN where none was seen
  std::vector<std::int64_t> held_for_;  // k, rows since the last value
  std::optional<Nanoseconds> last_time_;
  std::optional<Nanoseconds> idle_since_;  // time of the last idle row while settling
  bool fresh_ = true;
};

}  // namespace anomctl
