// Maintenance windows: between their ends an asset's verdicts are muted and its alerts held back, but all is judged and
// recorded. From the settings, "SENSOR@START/END", and from the topic ORG/maintenance/SENSOR. SENSOR `all` is every
// asset. Private to manage. Thread rule: one thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "anomctl/core/time.h"

namespace anomctl::manage {

struct MaintenanceWindow {
  Nanoseconds start = 0, end = 0;  // both in
  std::string reason;
};

// The name that stands for every asset.
inline constexpr const char* kAllAssets = "all";

// Whoever may write to the topic must not fill memory and disk.
inline constexpr std::size_t kWindowsAtOnce = 100, kReasonBytes = 500, kMostWindows = 20'000;

// What a message on the maintenance topic asks for.
struct MaintenanceMessage {
  std::vector<MaintenanceWindow> windows;  // instead of those before; none: maintenance is over
  bool acknowledge = false;                // a latched episode was seen; the windows stay
};

// {"start": .., "end": .. or "duration": .., "reason": ..}, a list of such, {"acknowledge": true}, or nothing at all.
// Without a start it is `received`, without an end it lasts until the next message. Throws Error(bad_input), also where
// there are more than kWindowsAtOnce or a reason is longer than kReasonBytes.
MaintenanceMessage parse_maintenance(const std::string& payload, Nanoseconds received);

class Maintenance {
 public:
  // Throws UsageError for a setting that is none.
  explicit Maintenance(const std::vector<std::string>& settings);
  // False: there are kMostWindows of others, and nothing was changed.
  bool set(const std::string& asset, std::vector<MaintenanceWindow> windows);
  // What the topic said, as bytes. `changed`: since the last write.
  bool changed() const { return changed_; }
  std::string write();
  void read(const std::string& bytes);  // throws Error(bad_input)
  // The window that `time` lies in, null without.
  const MaintenanceWindow* at(const std::string& asset, Nanoseconds time) const;

 private:
  using Windows = std::map<std::string, std::vector<MaintenanceWindow>>;
  static const MaintenanceWindow* find(const Windows& windows, const std::string& asset, Nanoseconds time);

  Windows configured_, announced_;
  std::size_t n_announced_ = 0;  // windows
  bool changed_ = false;
};

}  // namespace anomctl::manage
