#include "detection/intake.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace anomctl {
namespace {

// Far outside of any scaled reading, and small enough that float sums over a window stay finite.
constexpr float kLargestScaled = 1e9F;

}  // namespace

void scale_row(const Scaler& scaler, std::span<const double> values, std::span<float> scaled) {
  scaler.apply(values, scaled);
  for (float& v : scaled) v = std::clamp(v, -kLargestScaled, kLargestScaled);
}

Intake::Intake(IntakeSettings settings, Scaler scaler, SensorFaults faults)
    : settings_(std::move(settings)),
      scaler_(std::move(scaler)),
      faults_(std::move(faults)),
      scaled_(2 * (settings_.window + 1) * settings_.sensors),
      values_(2 * (settings_.window + 1) * settings_.sensors) {
  clear();
  last_value_.assign(settings_.sensors, std::numeric_limits<double>::quiet_NaN());
  held_for_.assign(settings_.sensors, 0);
}

void Intake::clear() {
  filled_ = 0;
  fresh_ = true;
}

void Intake::restart() {
  clear();
  std::fill(last_value_.begin(), last_value_.end(), std::numeric_limits<double>::quiet_NaN());
  std::fill(held_for_.begin(), held_for_.end(), 0);
  last_time_.reset();
  idle_since_.reset();
  faults_.restart();
}

void Intake::hold(const Row& row, IntakeRow& out) {
  const std::size_t k = settings_.sensors;
  out.values = row.values;
  out.missing.assign(k, 0);
  out.longest_hold = 0;
  out.all_missing = true;
  for (std::size_t c = 0; c < k; ++c) {
    if (std::isfinite(row.values[c])) {
      out.all_missing = false;
      last_value_[c] = row.values[c];
      held_for_[c] = 0;
      continue;
    }
    out.values[c] = std::numeric_limits<double>::quiet_NaN();
    out.missing[c] = 1;
    if (++held_for_[c] > out.longest_hold) {
      out.longest_hold = held_for_[c];
      out.held_sensor = c;
    }
  }
}

void Intake::append(IntakeRow& row) {
  const std::size_t k = settings_.sensors;
  const std::size_t capacity = 2 * (settings_.window + 1);
  if (filled_ == capacity) {
    const std::size_t keep = settings_.window;
    std::copy_n(scaled_.end() - static_cast<std::ptrdiff_t>(keep * k), keep * k, scaled_.begin());
    std::copy_n(values_.end() - static_cast<std::ptrdiff_t>(keep * k), keep * k, values_.begin());
    filled_ = keep;
  }
  const std::size_t at = filled_ * k;
  for (std::size_t c = 0; c < k; ++c) {
    double value = row.values[c];
    if (row.missing[c] != 0) value = std::isnan(last_value_[c]) ? settings_.typical[c] : last_value_[c];
    values_[at + c] = value;
  }
  row.held.assign(values_.begin() + static_cast<std::ptrdiff_t>(at),
                  values_.begin() + static_cast<std::ptrdiff_t>(at + k));
  scale_row(scaler_, {values_.data() + at, k}, {scaled_.data() + at, k});
  ++filled_;
}

std::optional<std::span<const float>> Intake::push(const Row& row, IntakeRow& out) {
  out.time = row.time;
  out.gap =
      settings_.max_gap > 0 && last_time_ && (row.time <= *last_time_ || row.time - *last_time_ > settings_.max_gap);
  if (out.gap) restart();
  last_time_ = row.time;
  out.raw = row.values;
  checked_ = row;
  faults_.check(checked_, idle_since_.has_value(), out.faults);
  hold(checked_, out);
  out.idle = false;
  if (!settings_.active.always()) {
    // A row that lacks the value that would tell is judged by the sensor's last one.
    if (!settings_.active.holds(last_value_)) {
      idle_since_ = row.time;
      out.idle = true;
    } else if (idle_since_ && row.time - *idle_since_ <= settings_.settle) {
      out.idle = true;
    } else {
      idle_since_.reset();
    }
  }
  const std::size_t k = settings_.sensors;
  if (out.idle || (out.all_missing && out.longest_hold > settings_.max_hold_rows)) {
    clear();
    out.fresh = true;
    out.filled = 0;
    out.has_window = false;
    out.scaled.assign(k, 0.0F);
    return std::nullopt;
  }
  append(out);
  out.fresh = fresh_;
  fresh_ = false;
  out.filled = std::min(filled_, settings_.window + 1);
  out.scaled.assign(scaled_.begin() + static_cast<std::ptrdiff_t>((filled_ - 1) * k),
                    scaled_.begin() + static_cast<std::ptrdiff_t>(filled_ * k));
  out.has_window = filled_ >= settings_.window;
  if (!out.has_window) return std::nullopt;
  return std::span<const float>(scaled_.data() + (filled_ - settings_.window) * k, settings_.window * k);
}

std::span<const double> Intake::last_rows() const {
  const std::size_t rows = std::min(filled_, settings_.window + 1);
  return std::span<const double>(values_.data() + (filled_ - rows) * settings_.sensors, rows * settings_.sensors);
}

void Intake::go_on_from(const Intake& before) {
  last_value_ = before.last_value_;
  held_for_ = before.held_for_;
  last_time_ = before.last_time_;
  idle_since_ = before.idle_since_;
  if (before.filled_ == 0) fresh_ = before.fresh_;
  StateWriter out;
  before.faults_.write(out);
  StateReader in(out.bytes());
  faults_.read(in);
}

void Intake::write(StateWriter& out) const {
  // Only the last w + 1 rows matter; scaled values follow from them.
  const std::size_t rows = std::min(filled_, settings_.window + 1);
  const auto first = values_.begin() + static_cast<std::ptrdiff_t>((filled_ - rows) * settings_.sensors);
  out.number(static_cast<std::uint64_t>(rows));
  out.list(std::vector<double>(first, first + static_cast<std::ptrdiff_t>(rows * settings_.sensors)));
  out.list(last_value_);
  out.list(held_for_);
  out.number(static_cast<std::uint8_t>(last_time_.has_value()));
  out.number(last_time_.value_or(0));
  out.number(static_cast<std::uint8_t>(idle_since_.has_value()));
  out.number(idle_since_.value_or(0));
  out.number(static_cast<std::uint8_t>(fresh_));
  faults_.write(out);
}

void Intake::read(StateReader& in) {
  restart();
  const std::uint64_t rows = in.number<std::uint64_t>();
  if (rows > settings_.window + 1) throw input_error("the snapshot's window is not that of this bundle");
  const std::size_t k = settings_.sensors;
  const std::vector<double> values = in.list<double>(static_cast<std::size_t>(rows) * k);
  std::copy(values.begin(), values.end(), values_.begin());
  for (std::size_t r = 0; r < rows; ++r) {
    scale_row(scaler_, {values_.data() + r * k, k}, {scaled_.data() + r * k, k});
  }
  filled_ = static_cast<std::size_t>(rows);
  last_value_ = in.list<double>(k);
  held_for_ = in.list<std::int64_t>(k);
  const bool has_time = in.flag();
  const auto time = in.number<Nanoseconds>();
  if (has_time) last_time_ = time;
  const bool settling = in.flag();
  const auto since = in.number<Nanoseconds>();
  if (settling) idle_since_ = since;
  fresh_ = in.flag();
  faults_.read(in);
}

}  // namespace anomctl
