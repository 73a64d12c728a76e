// Instants, durations, time zones and the clock that tests fake.
// Instants are int64 nanoseconds since 1970-01-01T00:00:00Z (years 1678 to 2262). Thread rule: values and pure
// functions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace anomctl {

using Nanoseconds = std::int64_t;
inline constexpr Nanoseconds kMicrosecond = 1'000;
inline constexpr Nanoseconds kMillisecond = 1'000'000;
inline constexpr Nanoseconds kSecond = 1'000'000'000;
inline constexpr Nanoseconds kMinute = 60 * kSecond;
inline constexpr Nanoseconds kHour = 60 * kMinute;
inline constexpr Nanoseconds kDay = 24 * kHour;

// A length of time as a setting: "250ms 5s 2m 1h 7d", a bare number is seconds.
struct Duration {
  Nanoseconds ns = 0;
  double seconds() const { return static_cast<double>(ns) / 1e9; }
  auto operator<=>(const Duration&) const = default;
};
inline constexpr Duration seconds(std::int64_t n) { return {n * kSecond}; }
inline constexpr Duration milliseconds(std::int64_t n) { return {n * kMillisecond}; }
std::optional<Duration> parse_duration(std::string_view text);
std::string format_duration(Duration d);

// A named zone of the tz database, or UTC.
class TimeZone {
 public:
  TimeZone();  // UTC
  // Throws UsageError for a name that the tz database does not know.
  static TimeZone named(const std::string& name);

  struct Instants {
    Nanoseconds first = 0;  // the only instant, or the earlier of a repeated hour, or the moment of the jump over a gap
    Nanoseconds second = 0;  // the later of a repeated hour, else equal to first
    enum class Kind { unique, repeated, skipped } kind = Kind::unique;
  };
  // `local` is a wall-clock reading in nanoseconds as if it were UTC.
  Instants to_utc(Nanoseconds local) const;
  const std::string& name() const { return name_; }

 private:
  std::string name_ = "UTC";
  const void* zone_ = nullptr;  // date::time_zone, owned by the tz database
};

// ISO 8601 / RFC 3339 with 'T' or ' ' between date and time, up to nanoseconds, optional 'Z' or ±hh:mm offset; a date
// alone is midnight. A stamp without zone is read in `zone`; of a repeated hour the later instant is taken when the
// earlier would not be after `previous`. Nothing for text that is no stamp.
struct ParsedStamp {
  Nanoseconds time = 0;
  TimeZone::Instants::Kind kind = TimeZone::Instants::Kind::unique;
};
std::optional<ParsedStamp> parse_stamp(std::string_view text, const TimeZone& zone = {},
                                       std::optional<Nanoseconds> previous = std::nullopt);
// A number as epoch seconds, milliseconds, microseconds or nanoseconds, told apart by its size (seconds up to the year
// 5138).
// What lies outside the years 1678 to 2261 becomes the nearest of their ends.
Nanoseconds epoch_from_number(double value);
// "2026-01-02T03:04:05.678Z": fraction in groups of three digits, left out when zero.
std::string format_stamp(Nanoseconds time);

// Where "now" comes from. `now` is wall time; `steady` never goes back and is for waiting and measuring.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Nanoseconds now() const = 0;
  virtual Nanoseconds steady() const = 0;
};
const Clock& system_clock();

}  // namespace anomctl
