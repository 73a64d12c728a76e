#include "roles/manage/maintenance.h"

#include <fmt/format.h>

#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/core/state_bytes.h"
#include "anomctl/data/sensor_payload.h"

namespace anomctl::manage {
namespace {

std::optional<Nanoseconds> instant_of(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  const auto stamp = value->is_number() ? std::optional(ParsedStamp{epoch_from_number(value->as_double())})
                                        : parse_stamp(value->as_string());
  if (!stamp || !is_reading_time(stamp->time))
    throw input_error(fmt::format("{} '{}' is no stamp", key, value->dump()));
  return stamp->time;
}

// Nothing for text that is none, and for what lasts longer than a hundred years.
std::optional<Duration> duration_of(const Json& value) {
  constexpr double kLongest = 100 * 366 * 86'400.0;
  if (!value.is_number()) {
    const auto duration = parse_duration(value.as_string());
    return duration && duration->seconds() > kLongest ? std::nullopt : duration;
  }
  const double s = value.as_double();
  if (!(s >= 0 && s <= kLongest)) return std::nullopt;
  return Duration{static_cast<Nanoseconds>(s * 1e9)};
}

MaintenanceWindow window_of(const Json& object, Nanoseconds received) {
  if (!object.is_object()) throw input_error("a window is an object: {\"start\": .., \"end\": .., \"reason\": ..}");
  MaintenanceWindow window;
  window.start = instant_of(object, "start").value_or(received);
  window.end = instant_of(object, "end").value_or(std::numeric_limits<Nanoseconds>::max());
  if (const Json* length = object.find("duration")) {
    const auto duration = duration_of(*length);
    if (!duration) throw input_error(fmt::format("duration '{}' is none", length->dump()));
    window.end = window.start + duration->ns;
  }
  if (window.end < window.start) throw input_error("it ends before it starts");
  window.reason = object.string_or("reason", "");
  if (window.reason.size() > kReasonBytes)
    throw input_error(fmt::format("a reason of {} bytes, at most {} are taken", window.reason.size(), kReasonBytes));
  return window;
}

}  // namespace

MaintenanceMessage parse_maintenance(const std::string& payload, Nanoseconds received) {
  MaintenanceMessage message;
  if (payload.find_first_not_of(" \t\r\n") == std::string::npos) return message;
  const Json json = Json::parse(payload, "the message", {64 * 1024, 4});
  if (json.is_object() && json.find("acknowledge") != nullptr) {
    message.acknowledge = json.at("acknowledge").as_bool();
    return message;
  }
  if (json.is_object()) {
    message.windows.push_back(window_of(json, received));
    return message;
  }
  if (json.as_array().size() > kWindowsAtOnce)
    throw input_error(fmt::format("{} windows, at most {} are taken", json.as_array().size(), kWindowsAtOnce));
  for (const Json& item : json.as_array()) message.windows.push_back(window_of(item, received));
  return message;
}

Maintenance::Maintenance(const std::vector<std::string>& settings) {
  for (const std::string& text : settings) {
    const std::size_t at = text.find('@'), slash = text.find('/', at == std::string::npos ? 0 : at);
    const auto wrong = [&] {
      return UsageError(fmt::format(
          "maintenance '{}': expected SENSOR@START/END, as in blade@2026-01-02T08:00:00Z/2026-01-02T10:00:00Z", text));
    };
    if (at == 0 || at == std::string::npos || slash == std::string::npos) throw wrong();
    const auto start = parse_stamp(text.substr(at + 1, slash - at - 1)), end = parse_stamp(text.substr(slash + 1));
    if (!start || !end || end->time < start->time) throw wrong();
    configured_[text.substr(0, at)].push_back({start->time, end->time, "planned"});
  }
}

bool Maintenance::set(const std::string& asset, std::vector<MaintenanceWindow> windows) {
  const auto known = announced_.find(asset);
  const std::size_t before = known == announced_.end() ? 0 : known->second.size();
  if (n_announced_ - before + windows.size() > kMostWindows) return false;
  if (before == 0 && windows.empty()) return true;
  n_announced_ += windows.size() - before;
  announced_[asset] = std::move(windows);
  if (announced_[asset].empty()) announced_.erase(asset);
  changed_ = true;
  return true;
}

std::string Maintenance::write() {
  StateWriter out;
  out.number(static_cast<std::uint64_t>(announced_.size()));
  for (const auto& [asset, windows] : announced_) {
    out.text(asset);
    out.number(static_cast<std::uint64_t>(windows.size()));
    for (const MaintenanceWindow& window : windows) {
      out.number(window.start);
      out.number(window.end);
      out.text(window.reason);
    }
  }
  changed_ = false;
  return out.bytes();
}

void Maintenance::read(const std::string& bytes) {
  StateReader in(bytes);
  Windows announced;
  for (auto n = in.number<std::uint64_t>(); n > 0; --n) {
    auto& windows = announced[in.text()];
    for (auto m = in.number<std::uint64_t>(); m > 0; --m) {
      MaintenanceWindow window;
      window.start = in.number<Nanoseconds>();
      window.end = in.number<Nanoseconds>();
      window.reason = in.text();
      windows.push_back(std::move(window));
    }
  }
  announced_ = std::move(announced);
  n_announced_ = 0;
  for (const auto& [asset, windows] : announced_) n_announced_ += windows.size();
}

const MaintenanceWindow* Maintenance::find(const Windows& windows, const std::string& asset, Nanoseconds time) {
  const auto known = windows.find(asset);
  if (known == windows.end()) return nullptr;
  for (const MaintenanceWindow& window : known->second)
    if (time >= window.start && time <= window.end) return &window;
  return nullptr;
}

const MaintenanceWindow* Maintenance::at(const std::string& asset, Nanoseconds time) const {
  for (const Windows* windows : {&configured_, &announced_})
    for (const std::string& name : {asset, std::string(kAllAssets)})
      if (const MaintenanceWindow* window = find(*windows, name, time)) return window;
  return nullptr;
}

}  // namespace anomctl::manage
