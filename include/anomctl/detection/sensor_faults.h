// Broken sensors, told from odd machines by rules that need no model: dead (no value), stuck (one value for far longer
// than ever in training), out of range (where no reading of this sensor can be), clock (stamps far from their arrival).
// What a broken sensor says is taken out of the row, so that the model judges the others. Thread rule: one thread an
// object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "anomctl/core/row.h"
#include "anomctl/core/state_bytes.h"
#include "anomctl/detection/sensor_limits.h"

namespace anomctl {

enum class SensorFaultKind : std::uint8_t { dead, stuck, out_of_range, clock_skew };
std::string to_string(SensorFaultKind kind);  // "dead", "stuck", "out_of_range", "clock_skew"

// Where readings of a sensor can be at all, as the user says.
struct SensorRange {
  std::string sensor;
  double low = 0, high = 0;
};
// "flow=0..40". Throws UsageError.
SensorRange parse_sensor_range(const std::string& text);

struct SensorFaultSettings {
  bool enabled = false;             // else nothing is taken out of rows, and no fault is told as an alert
  std::vector<SensorRange> ranges;  // instead of what the bundle's limits say
  double spans = 3;                 // out of range: further than this times the train range beyond it; 0: never
  double stuck_factor = 3;          // stuck: longer than this times the longest stand in training; 0: never
  std::int64_t stuck_rows = 10;     // and at least so many rows
  std::int64_t dead_rows = 10;      // dead: no value for more than so many rows
};

// A fault of one row.
struct SensorFault {
  static constexpr std::size_t kClock = SIZE_MAX;  // in place of a column: of the asset's clock
  SensorFaultKind kind = SensorFaultKind::dead;
  std::size_t column = 0;
  double value = 0;          // what it showed: the stuck or impossible value; of a clock the seconds it is off
  std::int64_t rows = 0;     // for so many rows
  double low = 0, high = 0;  // out of range: what is possible
};

class SensorFaults {
 public:
  // Throws UsageError for a range of a sensor that is none.
  SensorFaults(SensorFaultSettings settings, const std::vector<std::string>& columns,
               const std::vector<SensorLimits>& limits);
  // The faults of a row, into `faults`; values of stuck sensors and impossible ones become NaN. While `idle` no sensor
  // is stuck: a machine at rest stands still.
  void check(Row& row, bool idle, std::vector<SensorFault>& faults);
  void restart();

  void write(StateWriter& out) const;
  void read(StateReader& in);

 private:
  struct Rule {
    bool ranged = false;
    double low = 0, high = 0;
    std::int64_t stuck_after = 0;  // rows; 0: never
  };
  SensorFaultSettings settings_;
  std::vector<Rule> rules_;
  std::vector<double> last_;         // k, NaN: none yet
  std::vector<std::int64_t> same_;   // k, rows with that value
  std::vector<std::int64_t> empty_;  // k, rows without a value
};

}  // namespace anomctl
