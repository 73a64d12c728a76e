#include "roles/manage/grid.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace anomctl::manage {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Grid::Grid(const GridSettings& settings, std::size_t columns) : settings_(settings), sensors_(columns) {}

void Grid::restart() {
  for (Sensor& sensor : sensors_) sensor = {};
  last_.reset();
  skew_ = 0;
}

Nanoseconds Grid::point_from(Nanoseconds time) const {
  Nanoseconds point = time / settings_.period * settings_.period;
  if (point < time) point += settings_.period;
  return point;
}

void Grid::take(const Row& instant) {
  for (std::size_t c = 0; c < sensors_.size(); ++c) {
    if (!std::isfinite(instant.values[c])) continue;
    Sensor& sensor = sensors_[c];
    const Value value{instant.time, instant.values[c]};
    if (settings_.fill == Fill::interpolate)
      sensor.ahead.push_back(value);
    else
      sensor.held = value;
  }
  if (instant.clock_skew != 0) skew_ = instant.clock_skew;
  last_ = instant.time;
}

double Grid::value_at(const Sensor& sensor, Nanoseconds point) const {
  if (!sensor.held) return kNaN;
  if (settings_.fill != Fill::interpolate)
    return point - sensor.held->time <= settings_.max_gap ? sensor.held->value : kNaN;
  if (sensor.held->time == point) return sensor.held->value;
  if (sensor.ahead.empty() || sensor.ahead.front().time - sensor.held->time > settings_.max_gap) return kNaN;
  const Value &before = *sensor.held, &after = sensor.ahead.front();
  const double share = static_cast<double>(point - before.time) / static_cast<double>(after.time - before.time);
  return before.value + share * (after.value - before.value);
}

// Whether no later instant can change the row of a point.
bool Grid::settled(Nanoseconds point) const {
  if (settings_.fill != Fill::interpolate) return true;
  return std::all_of(sensors_.begin(), sensors_.end(), [&](const Sensor& sensor) {
    if (!sensor.ahead.empty() && sensor.ahead.back().time >= point) return true;
    const Nanoseconds known = !sensor.ahead.empty() ? sensor.ahead.back().time
                              : sensor.held         ? sensor.held->time
                                                    : first_;
    return *last_ - known > settings_.max_gap;  // it is waited for no longer
  });
}

// The points up to `time`.
void Grid::give_until(Nanoseconds time, std::vector<Row>& rows) {
  for (; next_ <= time && settled(next_); next_ += settings_.period) {
    Row row{next_, std::vector<double>(sensors_.size(), kNaN), skew_};
    bool any = false, all_known = true;
    for (std::size_t c = 0; c < sensors_.size(); ++c) {
      Sensor& sensor = sensors_[c];
      for (; !sensor.ahead.empty() && sensor.ahead.front().time <= next_; sensor.ahead.pop_front())
        sensor.held = sensor.ahead.front();
      row.values[c] = value_at(sensor, next_);
      any = any || std::isfinite(row.values[c]);
      all_known = all_known && (sensor.held || !sensor.ahead.empty());
    }
    // At the beginning of a run the sensors that have not spoken yet are waited for.
    if (!any || (!all_known && next_ - first_ <= settings_.max_gap)) continue;
    skew_ = 0;
    rows.push_back(std::move(row));
  }
}

void Grid::add(const Row& instant, std::vector<Row>& rows) {
  if (settings_.period == 0) {
    rows.push_back(instant);
    return;
  }
  if (last_ && instant.time - *last_ > settings_.max_gap) restart();  // nothing stands in over a pause
  if (!last_) {
    first_ = instant.time;
    next_ = point_from(instant.time);
  } else if (settings_.fill != Fill::interpolate) {
    give_until(instant.time - 1, rows);
  }
  take(instant);
  give_until(instant.time, rows);
}

void Grid::write(StateWriter& out) const {
  const auto value = [&](const Value& v) {
    out.number(v.time);
    out.number(v.value);
  };
  for (const Sensor& sensor : sensors_) {
    out.number(static_cast<std::uint8_t>(sensor.held.has_value()));
    value(sensor.held.value_or(Value{}));
    out.number(static_cast<std::uint64_t>(sensor.ahead.size()));
    for (const Value& v : sensor.ahead) value(v);
  }
  out.number(static_cast<std::uint8_t>(last_.has_value()));
  for (const Nanoseconds n : {last_.value_or(0), first_, next_, skew_}) out.number(n);
}

void Grid::read(StateReader& in) {
  const auto value = [&] {
    Value v;
    v.time = in.number<Nanoseconds>();
    v.value = in.number<double>();
    return v;
  };
  restart();
  for (Sensor& sensor : sensors_) {
    const bool held = in.flag();
    const Value last = value();
    if (held) sensor.held = last;
    for (auto n = in.number<std::uint64_t>(); n > 0; --n) sensor.ahead.push_back(value());
  }
  const bool any = in.flag();
  const auto last = in.number<Nanoseconds>();
  if (any) last_ = last;
  first_ = in.number<Nanoseconds>();
  next_ = in.number<Nanoseconds>();
  skew_ = in.number<Nanoseconds>();
}

}  // namespace anomctl::manage
