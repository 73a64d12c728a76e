// What a sensor showed while all was well: the range of its values and how long it stood still. Fitted on train rows,
// kept in the bundle, and used to tell a broken sensor from an odd machine. Thread rule: values and pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/core/matrix.h"
#include "anomctl/core/row.h"

namespace anomctl {

struct SensorLimits {
  double low = 0, high = 0;       // of the train rows
  std::int64_t longest_same = 0;  // rows in a row with one value, the longest time; 0: it never moved, or too rarely
  bool operator==(const SensorLimits&) const = default;
};

// One a column of `values`. `use` has one a row, 0 where it does not count; empty: all count. No stretch of one value
// goes over a border of `runs`. A column without any value gets low > high.
std::vector<SensorLimits> fit_sensor_limits(const Matrix<double>& values, const std::vector<RowRange>& runs,
                                            std::span<const std::uint8_t> use);

Json to_json(const std::vector<SensorLimits>& limits);
// Throws Error(bad_input) without naming a file.
std::vector<SensorLimits> sensor_limits_from_json(const Json& json, std::size_t columns);

}  // namespace anomctl
