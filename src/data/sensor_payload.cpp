#include "anomctl/data/sensor_payload.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"

namespace anomctl {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr std::array<std::string_view, 5> kTimeKeys = {"time", "timestamp", "ts", "_time", "date"};

bool is_time_key(std::string_view key) {
  for (const std::string_view known : kTimeKeys)
    if (key == known) return true;
  return false;
}

std::optional<Nanoseconds> time_of(const Json& value) {
  if (value.is_number()) {
    const double number = value.as_double();
    if (!std::isfinite(number)) return std::nullopt;
    // A double holds an epoch in ns only to 256 ns; a whole number of that size is taken as it stands.
    if (value.is_int() && std::abs(number) > 1e17) return value.as_int();
    return epoch_from_number(number);
  }
  if (!value.is_string()) return std::nullopt;
  const auto stamp = parse_stamp(value.as_string());
  return stamp ? std::optional(stamp->time) : std::nullopt;
}

// A number, true/false as 1/0, null as missing; nothing for text, lists and objects.
std::optional<double> number_of(const Json& value) {
  if (value.is_null()) return kMissing;
  if (value.is_bool()) return value.as_bool() ? 1.0 : 0.0;
  if (value.is_number()) return std::isfinite(value.as_double()) ? value.as_double() : kMissing;
  return std::nullopt;
}

// Splits at `separator` outside quotes; a backslash takes the next character as it stands.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (text[i] == separator && !quoted) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    plain += text[i];
  }
  return plain;
}

// A field value of line protocol: 1, 1.5, 3i, 3u, t, true; nothing for text.
std::optional<double> line_value(std::string_view text) {
  if (text == "t" || text == "T" || text == "true" || text == "True" || text == "TRUE") return 1.0;
  if (text == "f" || text == "F" || text == "false" || text == "False" || text == "FALSE") return 0.0;
  if (!text.empty() && (text.back() == 'i' || text.back() == 'u')) text.remove_suffix(1);
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::string shortened(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 40)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return text.size() > 40 ? out + ".." : out;
}

}  // namespace

SensorPayload::SensorPayload(const std::vector<std::string>& columns, std::size_t max_bytes)
    : columns_(columns.size()), max_bytes_(max_bytes) {
  for (std::size_t c = 0; c < columns.size(); ++c) index_.emplace(columns[c], c);
}

SensorPayload::Reading SensorPayload::empty() const {
  return {std::nullopt, std::vector<double>(columns_, kMissing), std::vector<bool>(columns_, false), false};
}

bool SensorPayload::put(Reading& reading, std::string_view name, double value, Result& result) const {
  const auto found = index_.find(std::string(name));
  if (found == index_.end()) {
    ++result.unknown;
    return false;
  }
  reading.values[found->second] = value;
  reading.given[found->second] = true;
  return true;
}

void SensorPayload::parse_json(std::string_view bytes, Result& result) const {
  const Json json = Json::parse(bytes, "the message", {max_bytes_, 8});
  Reading reading = empty();
  bool any = false;
  const auto take_list = [&](const Json& list) {
    if (list.size() != columns_) {
      result.error = fmt::format("a list of {} values, expected {}", list.size(), columns_);
      return;
    }
    for (std::size_t c = 0; c < columns_ && result.error.empty(); ++c) {
      const auto value = number_of(list.as_array()[c]);
      if (!value) result.error = fmt::format("value {} of the list is no number", c);
      reading.values[c] = value.value_or(kMissing);
      reading.given[c] = any = true;
    }
  };
  const auto take_members = [&](const Json& object) {
    for (const auto& [key, member] : object.as_object()) {
      if (&object == &json && (is_time_key(key) || key == "values") && !index_.contains(key)) continue;
      const auto value = number_of(member);
      if (!value && index_.contains(key)) {
        result.error = fmt::format("{} is no number", shortened(key));
        return;
      }
      any = put(reading, key, value.value_or(kMissing), result) || any;
    }
  };
  if (json.is_array()) {
    take_list(json);
  } else if (json.is_object()) {
    for (const std::string_view key : kTimeKeys) {
      const Json* time = index_.contains(std::string(key)) ? nullptr : json.find(key);
      if (time == nullptr || time->is_null()) continue;
      reading.time = time_of(*time);
      if (!reading.time) result.error = fmt::format("{} is no time", key);
      break;
    }
    const Json *values = json.find("values"), *sensor = json.find("sensor"), *value = json.find("value");
    if (!result.error.empty()) {
    } else if (values != nullptr && values->is_array()) {
      take_list(*values);
    } else if (values != nullptr && values->is_object()) {
      take_members(*values);
    } else if (sensor != nullptr && sensor->is_string() && value != nullptr) {
      const auto number = number_of(*value);
      if (!number) result.error = fmt::format("the value of {} is no number", shortened(sensor->as_string()));
      any = put(reading, sensor->as_string(), number.value_or(kMissing), result);
      reading.part = true;
    } else {
      take_members(json);
    }
  } else {
    result.error = "neither an object nor a list";
  }
  if (result.error.empty() && !any) result.error = "none of the sensors is in it";
  if (result.error.empty()) result.readings.push_back(std::move(reading));
}

// measurement[,tag=value..] field=value[,field=value..] [epoch]
void SensorPayload::parse_line(std::string_view line, Result& result) const {
  const auto parts = split(line, ' ');
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty()) {
    result.error = fmt::format("neither JSON nor line protocol: {}", shortened(line));
    return;
  }
  Reading reading = empty();
  reading.part = true;
  bool any = false;
  for (const std::string_view pair : split(parts[1], ',')) {
    const auto halves = split(pair, '=');
    if (halves.size() != 2 || halves[0].empty()) {
      result.error = fmt::format("line protocol: '{}' is no field", shortened(pair));
      return;
    }
    const std::string name = unescape(halves[0]);
    const auto value = line_value(halves[1]);
    if (!value && index_.contains(name)) {
      result.error = fmt::format("{} is no number", shortened(name));
      return;
    }
    any = put(reading, name, value.value_or(kMissing), result) || any;
  }
  if (parts.size() == 3) {
    std::int64_t epoch = 0;
    const auto [end, ec] = std::from_chars(parts[2].data(), parts[2].data() + parts[2].size(), epoch);
    if (ec != std::errc() || end != parts[2].data() + parts[2].size()) {
      result.error = fmt::format("line protocol: '{}' is no time", shortened(parts[2]));
      return;
    }
    reading.time = std::abs(static_cast<double>(epoch)) > 1e17 ? epoch : epoch_from_number(static_cast<double>(epoch));
  }
  if (any) result.readings.push_back(std::move(reading));
}

SensorPayload::Result SensorPayload::parse(std::string_view bytes) const {
  Result result;
  const auto end = bytes.find_last_not_of(" \t\r\n");
  bytes = bytes.substr(0, end == std::string_view::npos ? 0 : end + 1);
  const auto begin = bytes.find_first_not_of(" \t\r\n");
  if (bytes.size() > max_bytes_) {
    result.error = fmt::format("{} bytes, at most {} are taken", bytes.size(), max_bytes_);
  } else if (begin == std::string_view::npos) {
    result.error = "an empty message";
  } else if (bytes[begin] == '{' || bytes[begin] == '[') {
    try {
      parse_json(bytes, result);
    } catch (const Error& error) {
      result.error = error.what();
    }
  } else {
    while (!bytes.empty() && result.error.empty()) {
      const auto line = bytes.substr(0, bytes.find('\n'));
      bytes.remove_prefix(std::min(bytes.size(), line.size() + 1));
      const auto text = line.substr(0, line.find_last_not_of("\r ") + 1);
      if (!text.empty() && text.front() != '#') parse_line(text, result);
    }
    if (result.error.empty() && result.readings.empty()) result.error = "none of the sensors is in it";
  }
  for (const Reading& reading : result.readings)
    if (reading.time && !is_reading_time(*reading.time)) result.error = "its time is not of the years 1900 to 2099";
  if (!result.error.empty()) result.readings.clear();
  return result;
}

std::string sensor_message(const std::vector<std::string>& columns, const Row& row) {
  Json json = Json::object();
  json["time"] = format_stamp(row.time + row.clock_skew);
  Json::Object& members = json.as_object();
  for (std::size_t c = 0; c < columns.size(); ++c)
    if (std::isfinite(row.values[c])) members.emplace_back(columns[c], row.values[c]);
  return json.dump();
}

}  // namespace anomctl
