#include "roles/manage/manager_status.h"

#include "anomctl/core/json.h"
#include "anomctl/core/log.h"
#include "anomctl/core/time.h"

namespace anomctl::manage {

std::string ManagerStatus::text() const {
  Json json = Json::object();
  json["state"] = state;
  json["time"] = format_stamp(system_clock().now() / kMillisecond * kMillisecond);
  json["model"] = model;
  if (!reason.empty()) json["reason"] = reason;
  if (dropped > 0) json["dropped"] = dropped;
  if (lost > 0) json["lost"] = lost;
  return json.dump();
}

void warn_of_damage(const fs::path& folder, const SpoolDamage& readings, const SpoolDamage& verdicts) {
  if (!readings.any() && !verdicts.any()) return;
  log_warning(
      "{}: damage was found: {} readings ({} of them not judged), {} verdicts, {} saved states; the rest goes on",
      folder.string(), readings.records, readings.lost, verdicts.records, readings.values + verdicts.values);
}

}  // namespace anomctl::manage
