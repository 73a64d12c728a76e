#include "roles/manage/maintenance.h"

#include <fmt/format.h>

#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/core/state_bytes.h"

namespace anomctl::manage {
namespace {

constexpr const char* kAll = "all";

std::optional<Nanoseconds> instant_of(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (value->is_number()) return epoch_from_number(value->as_double());
  const auto stamp = parse_stamp(value->as_string());
  if (!stamp) throw input_error(fmt::format("{} '{}' is no stamp", key, value->as_string()));
  return stamp->time;
}

MaintenanceWindow window_of(const Json& object, Nanoseconds received) {
  if (!object.is_object()) throw input_error("a window is an object: {\"start\": .., \"end\": .., \"reason\": ..}");
  MaintenanceWindow window;
  window.start = instant_of(object, "start").value_or(received);
  window.end = instant_of(object, "end").value_or(std::numeric_limits<Nanoseconds>::max());
  if (const Json* length = object.find("duration")) {
    const auto duration = length->is_number()
                              ? std::optional(Duration{static_cast<Nanoseconds>(length->as_double() * 1e9)})
                              : parse_duration(length->as_string());
    if (!duration) throw input_error(fmt::format("duration '{}' is none", length->dump()));
    window.end = window.start + duration->ns;
  }
  if (window.end < window.start) throw input_error("it ends before it starts");
  window.reason = object.string_or("reason", "");
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

void Maintenance::set(const std::string& asset, std::vector<MaintenanceWindow> windows) {
  announced_[asset] = std::move(windows);
  if (announced_[asset].empty()) announced_.erase(asset);
  changed_ = true;
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
    for (const std::string& name : {asset, std::string(kAll)})
      if (const MaintenanceWindow* window = find(*windows, name, time)) return window;
  return nullptr;
}

}  // namespace anomctl::manage
