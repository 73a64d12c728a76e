#include "roles/manage/manager_status.h"

#include "anomctl/core/json.h"
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

}  // namespace anomctl::manage
