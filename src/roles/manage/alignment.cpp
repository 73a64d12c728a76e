#include "roles/manage/alignment.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace anomctl::manage {
namespace {

constexpr std::size_t kRemembered = 256;  // instants by which a repeated reading is known again
constexpr std::size_t kMostWaiting = 4096;
// So many readings in a row that are older than what was given out, none of them a repetition and each newer than the
// one before: the sender's clock was set back.
constexpr std::int64_t kSetBack = 20;
// No reading is that late: it is of another clock, and so is what follows.
constexpr Nanoseconds kOtherClock = kDay;

void write_bits(StateWriter& out, const std::vector<bool>& bits) {
  for (const bool bit : bits) out.number(static_cast<std::uint8_t>(bit));
}

std::vector<bool> read_bits(StateReader& in, std::size_t n) {
  std::vector<bool> bits(n);
  for (std::size_t i = 0; i < n; ++i) bits[i] = in.flag();
  return bits;
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

}  // namespace

AlignmentCounts& AlignmentCounts::operator+=(const AlignmentCounts& other) {
  readings += other.readings;
  duplicates += other.duplicates;
  conflicting += other.conflicting;
  late += other.late;
  set_back += other.set_back;
  skewed += other.skewed;
  crowded += other.crowded;
  return *this;
}

Alignment::Alignment(const AlignmentSettings& settings, std::size_t columns)
    : settings_(settings), columns_(columns), grid_(settings.grid, columns) {}

void Alignment::add(const SensorPayload::Reading& reading, Nanoseconds received, std::vector<Row>& rows) {
  ++counts_.readings;
  Nanoseconds time = reading.time.value_or(received), skew = 0;
  if (settings_.max_skew > 0 && std::abs(time - received) > settings_.max_skew) {
    ++counts_.skewed;
    skew = time - received;
    time = received;
  }
  // A part without a stamp belongs to the parts that came just before, unless its sensor spoke already.
  if (!reading.time && reading.part && !waiting_.empty()) {
    auto& [last_time, last] = *waiting_.rbegin();
    bool joins = !last.stamped && !last.whole;
    for (std::size_t c = 0; joins && c < columns_; ++c) joins = !(reading.given[c] && last.given[c]);
    if (joins) time = last_time;
  }
  if (is_behind(reading, time, rows)) return;
  behind_ = 0;
  const auto [at, is_new] = waiting_.try_emplace(time);
  Instant& instant = at->second;
  if (is_new) {
    instant.values.assign(columns_, std::numeric_limits<double>::quiet_NaN());
    instant.given.assign(columns_, false);
    instant.stamped = reading.time.has_value();
  }
  merge(instant, reading);
  if (skew != 0) instant.skew = skew;
  newest_ = std::max(newest_.value_or(time), time);
  release(rows);
}

// Whether the reading is older than what was given out; then it is counted and done with.
bool Alignment::is_behind(const SensorPayload::Reading& reading, Nanoseconds time, std::vector<Row>& rows) {
  if (given_.empty() || time > given_.back().time) return false;
  const auto known = std::lower_bound(given_.begin(), given_.end(), time,
                                      [](const Given& given, Nanoseconds t) { return given.time < t; });
  bool repeats = known != given_.end() && known->time == time;
  for (std::size_t c = 0; repeats && c < columns_; ++c) repeats = !reading.given[c] || known->sensors[c];
  if (repeats) {
    ++counts_.duplicates;
    behind_ = 0;
    return true;
  }
  behind_ = behind_ > 0 && time <= behind_time_ ? 1 : behind_ + 1;
  behind_time_ = time;
  if (behind_ < kSetBack && given_.back().time - time < kOtherClock) {
    ++counts_.late;
    return true;
  }
  ++counts_.set_back;
  finish(rows);
  grid_.restart();
  given_.clear();
  newest_.reset();
  return false;
}

void Alignment::merge(Instant& instant, const SensorPayload::Reading& reading) {
  bool anew = false, differs = false;
  for (std::size_t c = 0; c < columns_; ++c) {
    if (!reading.given[c]) continue;
    if (instant.given[c]) {
      differs = differs || !same(instant.values[c], reading.values[c]);
      continue;
    }
    instant.given[c] = anew = true;
    instant.values[c] = reading.values[c];
  }
  if (!reading.part) instant.whole = true;
  if (differs)
    ++counts_.conflicting;
  else if (!anew)
    ++counts_.duplicates;
}

bool Alignment::complete(const Instant& instant) const {
  return instant.whole || std::all_of(instant.given.begin(), instant.given.end(), [](bool given) { return given; });
}

// A stamp far ahead in a regular stream is a pause, or a reading that overtook others: brokers that come back send one
// ahead of what they queued (mosquitto 2.0.11 does). The next reading tells which; until then it is not given out, for
// then all that it overtook would be late.
bool Alignment::leaps(Nanoseconds before, Nanoseconds last, Nanoseconds time, const Instant& instant) const {
  const Nanoseconds gap = settings_.grid.max_gap;
  return instant.stamped && last - before <= gap && time - last > gap;
}

bool Alignment::front_is_settled() const {
  const auto front = waiting_.begin(), next = std::next(front);
  const std::size_t n = given_.size();
  if (settings_.late > 0) return *newest_ - front->first >= settings_.late;
  if (next == waiting_.end())
    return complete(front->second) &&
           !(n >= 2 && leaps(given_[n - 2].time, given_[n - 1].time, front->first, front->second));
  const bool next_waits =
      std::next(next) == waiting_.end() && n >= 1 && leaps(given_[n - 1].time, front->first, next->first, next->second);
  return !next_waits || complete(front->second);
}

void Alignment::release(std::vector<Row>& rows) {
  while (!waiting_.empty()) {
    const bool settled = front_is_settled();
    if (!settled && waiting_.size() <= kMostWaiting) return;
    counts_.crowded += settled ? 0 : 1;
    give_front(rows);
  }
}

void Alignment::give_front(std::vector<Row>& rows) {
  auto front = waiting_.extract(waiting_.begin());
  Instant& instant = front.mapped();
  grid_.add(Row{front.key(), std::move(instant.values), instant.skew}, rows);
  given_.push_back({front.key(), std::move(instant.given)});
  if (given_.size() > kRemembered) given_.pop_front();
}

void Alignment::finish(std::vector<Row>& rows) {
  while (!waiting_.empty()) give_front(rows);
}

void Alignment::write(StateWriter& out) const {
  grid_.write(out);
  out.number(static_cast<std::uint64_t>(waiting_.size()));
  for (const auto& [time, instant] : waiting_) {
    out.number(time);
    out.list(instant.values);
    write_bits(out, instant.given);
    write_bits(out, {instant.whole, instant.stamped});
    out.number(instant.skew);
  }
  out.number(static_cast<std::uint64_t>(given_.size()));
  for (const Given& given : given_) {
    out.number(given.time);
    write_bits(out, given.sensors);
  }
  out.number(static_cast<std::uint8_t>(newest_.has_value()));
  for (const std::int64_t n : {newest_.value_or(0), behind_, behind_time_}) out.number(n);
}

void Alignment::read(StateReader& in) {
  grid_.read(in);
  waiting_.clear();
  given_.clear();
  for (auto n = in.number<std::uint64_t>(); n > 0; --n) {
    Instant& instant = waiting_[in.number<Nanoseconds>()];
    instant.values = in.list<double>(columns_);
    instant.given = read_bits(in, columns_);
    const std::vector<bool> flags = read_bits(in, 2);
    instant.whole = flags[0];
    instant.stamped = flags[1];
    instant.skew = in.number<Nanoseconds>();
  }
  for (auto n = in.number<std::uint64_t>(); n > 0; --n) {
    const auto time = in.number<Nanoseconds>();
    given_.push_back({time, read_bits(in, columns_)});
  }
  const bool any = in.flag();
  const auto newest = in.number<Nanoseconds>();
  if (any) newest_ = newest;
  behind_ = in.number<std::int64_t>();
  behind_time_ = in.number<std::int64_t>();
}

}  // namespace anomctl::manage
