// Which sensors made a row's score, and the sentence that says so. Thread rule: values and pure functions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "anomctl/data/data_set.h"
#include "anomctl/data/scaler.h"
#include "anomctl/detection/verdict.h"

namespace anomctl {

// What was expected of each predicted sensor, in its unit: (forecast + gamma reconstruction) / (1 + gamma), unscaled;
// so where both err to the same side, expected minus actual is the sensor's error of the reference's score. targets:
// columns of the o outputs.
std::vector<double> expected_values(double gamma, std::span<const float> forecast,
                                    std::span<const float> reconstruction, const Scaler& scaler,
                                    std::span<const std::size_t> targets);

struct AttributionInput {
  std::span<const double> contribution;  // o, smoothed as the score is
  std::span<const double> expected;      // o, in the sensor's unit
  std::span<const double> values;        // k, the row as it came, NaN = missing
  std::span<const std::size_t> targets;  // o, columns
};
// The sensors with the largest share, strongest first, at most `count`; sensors without a part or without a value are
// left out.
std::vector<Cause> strongest_causes(const AttributionInput& input, const std::vector<Column>& columns,
                                    std::size_t count = 3);

// "flow_3 at 12.1 l/min where 18.4 was expected (61 % of the score), with pressure_1 (20 %) and pump_t (8 %)"; empty
// without causes.
std::string describe_causes(const std::vector<Cause>& causes);

}  // namespace anomctl
