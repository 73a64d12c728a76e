#include "anomctl/detection/sensor_faults.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::optional<double> number_of(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace

std::string to_string(SensorFaultKind kind) {
  switch (kind) {
    case SensorFaultKind::dead:
      return "dead";
    case SensorFaultKind::stuck:
      return "stuck";
    case SensorFaultKind::out_of_range:
      return "out_of_range";
    case SensorFaultKind::clock_skew:
      return "clock_skew";
  }
  return "dead";
}

SensorRange parse_sensor_range(const std::string& text) {
  const std::size_t equals = text.rfind('='), dots = text.find("..", equals == std::string::npos ? 0 : equals);
  const auto wrong = [&] {
    return UsageError(fmt::format("sensor-range '{}': expected SENSOR=LOW..HIGH, as in flow=0..40", text));
  };
  if (equals == std::string::npos || equals == 0 || dots == std::string::npos) throw wrong();
  const auto low = number_of(text.substr(equals + 1, dots - equals - 1)), high = number_of(text.substr(dots + 2));
  if (!low || !high || *low >= *high) throw wrong();
  return {text.substr(0, equals), *low, *high};
}

SensorFaults::SensorFaults(SensorFaultSettings settings, const std::vector<std::string>& columns,
                           const std::vector<SensorLimits>& limits)
    : settings_(std::move(settings)), rules_(columns.size()) {
  for (std::size_t c = 0; c < limits.size(); ++c) {
    const SensorLimits& known = limits[c];
    Rule& rule = rules_[c];
    const double span = known.high - known.low;
    // A sensor that never moved in training has no span to count in.
    if (settings_.spans > 0 && span > 0)
      rule = {true, known.low - settings_.spans * span, known.high + settings_.spans * span, 0};
    if (settings_.stuck_factor > 0 && known.longest_same > 0)
      rule.stuck_after = std::max(
          settings_.stuck_rows,
          static_cast<std::int64_t>(std::ceil(settings_.stuck_factor * static_cast<double>(known.longest_same))));
  }
  for (const SensorRange& range : settings_.ranges) {
    const auto at = std::find(columns.begin(), columns.end(), range.sensor);
    if (at == columns.end()) throw UsageError(fmt::format("sensor-range: there is no sensor '{}'", range.sensor));
    Rule& rule = rules_[static_cast<std::size_t>(at - columns.begin())];
    rule.ranged = true;
    rule.low = range.low;
    rule.high = range.high;
  }
  restart();
}

void SensorFaults::restart() {
  last_.assign(rules_.size(), kNaN);
  same_.assign(rules_.size(), 0);
  empty_.assign(rules_.size(), 0);
}

void SensorFaults::check(Row& row, bool idle, std::vector<SensorFault>& faults) {
  faults.clear();
  if (!settings_.enabled) return;
  if (row.clock_skew != 0)
    faults.push_back({SensorFaultKind::clock_skew, SensorFault::kClock, static_cast<double>(row.clock_skew) / 1e9});
  // Where no sensor says anything it is the line that is dead, not each of them.
  const bool silent = std::none_of(row.values.begin(), row.values.end(), [](double v) { return std::isfinite(v); });
  for (std::size_t c = 0; c < rules_.size(); ++c) {
    const Rule& rule = rules_[c];
    double& value = row.values[c];
    if (!std::isfinite(value)) {
      if (++empty_[c] > settings_.dead_rows && !silent) faults.push_back({SensorFaultKind::dead, c, kNaN, empty_[c]});
      continue;
    }
    empty_[c] = 0;
    same_[c] = idle || value != last_[c] ? 1 : same_[c] + 1;
    last_[c] = value;
    if (rule.ranged && (value < rule.low || value > rule.high)) {
      faults.push_back({SensorFaultKind::out_of_range, c, value, same_[c], rule.low, rule.high});
      value = kNaN;
    } else if (rule.stuck_after > 0 && same_[c] > rule.stuck_after) {
      faults.push_back({SensorFaultKind::stuck, c, value, same_[c]});
      value = kNaN;
    }
  }
}

void SensorFaults::write(StateWriter& out) const {
  out.list(last_);
  out.list(same_);
  out.list(empty_);
}

void SensorFaults::read(StateReader& in) {
  last_ = in.list<double>(rules_.size());
  same_ = in.list<std::int64_t>(rules_.size());
  empty_ = in.list<std::int64_t>(rules_.size());
}

}  // namespace anomctl
