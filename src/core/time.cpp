#include "anomctl/core/time.h"

#include <date/date.h>
#include <date/tz.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

struct Unit {
  std::string_view name;
  Nanoseconds ns;
};
constexpr std::array<Unit, 7> kUnits = {
    {{"ns", 1}, {"us", kMicrosecond}, {"ms", kMillisecond}, {"s", kSecond}, {"m", kMinute}, {"h", kHour}, {"d", kDay}}};

// Reads exactly `digits` decimal digits.
bool take_digits(std::string_view& text, int digits, int& out) {
  if (text.size() < static_cast<std::size_t>(digits)) return false;
  out = 0;
  for (int i = 0; i < digits; ++i) {
    const char c = text[static_cast<std::size_t>(i)];
    if (c < '0' || c > '9') return false;
    out = out * 10 + (c - '0');
  }
  text.remove_prefix(static_cast<std::size_t>(digits));
  return true;
}

bool take_char(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// Up to nine digits of a fraction; further digits are read and dropped.
bool take_fraction(std::string_view& text, Nanoseconds& ns) {
  Nanoseconds scale = kSecond / 10;
  std::size_t n = 0;
  ns = 0;
  while (n < text.size() && text[n] >= '0' && text[n] <= '9') {
    ns += scale * (text[n] - '0');
    scale /= 10;
    ++n;
  }
  text.remove_prefix(n);
  return n > 0;
}

bool take_time_of_day(std::string_view& text, Nanoseconds& ns) {
  int hour = 0, minute = 0, second = 0;
  Nanoseconds fraction = 0;
  if (!take_digits(text, 2, hour) || !take_char(text, ':') || !take_digits(text, 2, minute)) return false;
  if (take_char(text, ':')) {
    if (!take_digits(text, 2, second)) return false;
    if (take_char(text, '.') || take_char(text, ',')) {
      if (!take_fraction(text, fraction)) return false;
    }
  }
  if (hour > 24 || minute > 59 || second > 60 || (hour == 24 && (minute > 0 || second > 0))) return false;
  ns = hour * kHour + minute * kMinute + second * kSecond + fraction;
  return true;
}

// 'Z', "+01:00", "-0530", "+01" or nothing.
bool take_offset(std::string_view& text, std::optional<Nanoseconds>& offset) {
  if (text.empty()) return true;
  if (take_char(text, 'Z') || take_char(text, 'z')) {
    offset = 0;
    return text.empty();
  }
  const char sign = text.front();
  if (sign != '+' && sign != '-') return false;
  text.remove_prefix(1);
  int hours = 0, minutes = 0;
  if (!take_digits(text, 2, hours)) return false;
  take_char(text, ':');
  if (!text.empty() && !take_digits(text, 2, minutes)) return false;
  if (hours > 14 || minutes > 59) return false;
  offset = (hours * kHour + minutes * kMinute) * (sign == '-' ? -1 : 1);
  return text.empty();
}

class SystemClock : public Clock {
 public:
  Nanoseconds now() const override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  Nanoseconds steady() const override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  double scale = unit.empty() ? 1e9 : 0;
  for (const Unit& u : kUnits) {
    if (u.name == unit) scale = static_cast<double>(u.ns);
  }
  const double ns = number * scale;
  if (scale == 0 || ns > 9.2e18) return std::nullopt;
  return Duration{static_cast<Nanoseconds>(std::llround(ns))};
}

std::string format_duration(Duration d) {
  if (d.ns == 0) return "0s";
  for (std::size_t i = kUnits.size(); i-- > 0;) {
    if (d.ns % kUnits[i].ns == 0) return fmt::format("{}{}", d.ns / kUnits[i].ns, kUnits[i].name);
  }
  return fmt::format("{}ns", d.ns);
}

TimeZone::TimeZone() = default;

TimeZone TimeZone::named(const std::string& name) {
  TimeZone zone;
  if (name.empty() || name == "UTC" || name == "Z") return zone;
  try {
    zone.zone_ = date::locate_zone(name);
  } catch (const std::exception&) {
    throw UsageError(
        fmt::format("time zone '{}' is unknown: use a name of the tz database such as Europe/Berlin", name));
  }
  zone.name_ = name;
  return zone;
}

TimeZone::Instants TimeZone::to_utc(Nanoseconds local) const {
  Instants out;
  out.first = out.second = local;
  if (zone_ == nullptr) return out;
  const auto* zone = static_cast<const date::time_zone*>(zone_);
  const auto info =
      zone->get_info(date::local_seconds(std::chrono::floor<std::chrono::seconds>(std::chrono::nanoseconds(local))));
  const auto offset = [](const date::sys_info& i) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(i.offset).count();
  };
  if (info.result == date::local_info::nonexistent) {
    out.kind = Instants::Kind::skipped;
    out.first = out.second =
        std::chrono::duration_cast<std::chrono::nanoseconds>(info.first.end.time_since_epoch()).count();
  } else {
    out.first = out.second = local - offset(info.first);
    if (info.result == date::local_info::ambiguous) {
      out.kind = Instants::Kind::repeated;
      out.second = local - offset(info.second);
    }
  }
  return out;
}

std::optional<ParsedStamp> parse_stamp(std::string_view text, const TimeZone& zone,
                                       std::optional<Nanoseconds> previous) {
  int year = 0, month = 0, day = 0;
  if (!take_digits(text, 4, year) || !take_char(text, '-') || !take_digits(text, 2, month) || !take_char(text, '-') ||
      !take_digits(text, 2, day)) {
    return std::nullopt;
  }
  const date::year_month_day ymd{date::year(year), date::month(static_cast<unsigned>(month)),
                                 date::day(static_cast<unsigned>(day))};
  if (!ymd.ok() || year < 1678 || year > 2261) return std::nullopt;
  Nanoseconds time_of_day = 0;
  std::optional<Nanoseconds> offset;
  if (!text.empty()) {
    if (!take_char(text, 'T') && !take_char(text, 't') && !take_char(text, ' ')) return std::nullopt;
    if (!take_time_of_day(text, time_of_day)) return std::nullopt;
    take_char(text, ' ');
    if (!take_offset(text, offset)) return std::nullopt;
  }
  const Nanoseconds days = date::sys_days(ymd).time_since_epoch().count() * kDay;
  const Nanoseconds local = days + time_of_day;
  ParsedStamp out;
  if (offset) {
    out.time = local - *offset;
    return out;
  }
  const TimeZone::Instants instants = zone.to_utc(local);
  out.kind = instants.kind;
  out.time = previous && instants.first <= *previous ? instants.second : instants.first;
  return out;
}

Nanoseconds epoch_from_number(double value) {
  const double size = std::fabs(value);
  Nanoseconds scale = 1;
  if (size < 1e11)
    scale = kSecond;
  else if (size < 1e14)
    scale = kMillisecond;
  else if (size < 1e17)
    scale = kMicrosecond;
  constexpr Nanoseconds limit = 9'200'000'000'000'000'000;
  if (!(size * static_cast<double>(scale) < static_cast<double>(limit))) return value < 0 ? -limit : limit;
  // Whole and fraction apart, the fraction to a thousandth of the unit below: a double cannot hold more.
  const double whole = std::floor(value);
  const Nanoseconds grain = std::max<Nanoseconds>(scale / 1'000'000, 1);
  const Nanoseconds grains = scale / grain;
  const double fraction = (value - whole) * static_cast<double>(grains);
  return static_cast<Nanoseconds>(whole) * scale + static_cast<Nanoseconds>(std::llround(fraction)) * grain;
}

std::string format_stamp(Nanoseconds time) {
  const date::sys_time<std::chrono::nanoseconds> point{std::chrono::nanoseconds(time)};
  const auto day = date::floor<date::days>(point);
  const date::year_month_day ymd(day);
  const Nanoseconds rest = (point - day).count();
  std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(ymd.year()),
                                static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()), rest / kHour,
                                rest / kMinute % 60, rest / kSecond % 60);
  const Nanoseconds fraction = rest % kSecond;
  if (fraction % kMillisecond == 0) {
    if (fraction != 0) out += fmt::format(".{:03}", fraction / kMillisecond);
  } else if (fraction % kMicrosecond == 0) {
    out += fmt::format(".{:06}", fraction / kMicrosecond);
  } else {
    out += fmt::format(".{:09}", fraction);
  }
  return out + "Z";
}

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace anomctl
