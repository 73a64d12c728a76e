#include "anomctl/detection/sensor_limits.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

// A sensor that changed less often than this in training says nothing by standing still.
constexpr std::int64_t kLeastChanges = 20;

SensorLimits fit_column(const Matrix<double>& values, const std::vector<RowRange>& runs,
                        std::span<const std::uint8_t> use, std::size_t column) {
  SensorLimits limits{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), 0};
  std::int64_t changes = 0, longest = 0;
  for (const RowRange& run : runs) {
    double last = std::numeric_limits<double>::quiet_NaN();
    std::int64_t same = 0;
    for (std::int64_t r = run.first; r <= run.last; ++r) {
      const double value = values.row(static_cast<std::size_t>(r))[column];
      if ((!use.empty() && use[static_cast<std::size_t>(r)] == 0) || !std::isfinite(value)) continue;
      limits.low = std::min(limits.low, value);
      limits.high = std::max(limits.high, value);
      changes += !std::isnan(last) && value != last ? 1 : 0;
      same = value == last ? same + 1 : 1;
      longest = std::max(longest, same);
      last = value;
    }
  }
  if (changes >= kLeastChanges) limits.longest_same = longest;
  return limits;
}

}  // namespace

std::vector<SensorLimits> fit_sensor_limits(const Matrix<double>& values, const std::vector<RowRange>& runs,
                                            std::span<const std::uint8_t> use) {
  std::vector<SensorLimits> limits;
  for (std::size_t c = 0; c < values.cols(); ++c) limits.push_back(fit_column(values, runs, use, c));
  return limits;
}

Json to_json(const std::vector<SensorLimits>& limits) {
  Json list = Json::array();
  for (const SensorLimits& sensor : limits) {
    Json item = Json::object();
    if (sensor.low <= sensor.high) {
      item["low"] = sensor.low;
      item["high"] = sensor.high;
    }
    if (sensor.longest_same > 0) item["longest_same"] = sensor.longest_same;
    list.push_back(std::move(item));
  }
  return list;
}

std::vector<SensorLimits> sensor_limits_from_json(const Json& json, std::size_t columns) {
  std::vector<SensorLimits> limits;
  for (const Json& item : json.as_array()) {
    SensorLimits sensor{item.number_or("low", 1), item.number_or("high", 0), item.int_or("longest_same", 0)};
    if (!std::isfinite(sensor.low) || !std::isfinite(sensor.high) || sensor.longest_same < 0)
      throw input_error(fmt::format("sensor_limits: entry {} is not usable", limits.size()));
    limits.push_back(sensor);
  }
  if (limits.size() != columns)
    throw input_error(fmt::format("sensor_limits has {} entries for {} columns", limits.size(), columns));
  return limits;
}

}  // namespace anomctl
