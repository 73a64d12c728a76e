// `anomctl manage`: judges readings that arrive over MQTT and publishes verdicts and alerts.
#pragma once

#include <string>

#include "anomctl/core/files.h"
#include "anomctl/registry/tracking_settings.h"
#include "anomctl/roles/manage.h"
#include "commands/command.h"
#include "commands/heartbeat.h"

namespace anomctl {

struct ManageOptions {
  fs::path bundle;
  std::string run;
  TrackingSettings tracking;
  std::string device = "auto";
  HeartbeatSettings heartbeat;
  ManageSettings role;

  static void fields(auto& self, auto&& field) {
    field("bundle", self.bundle, "folder of the bundle that judges (default: that of the run)");
    field("run", self.run, "run whose bundle judges: id, name, -1 for the latest (the default)");
    TrackingSettings::fields(self.tracking, field);
    field("device", self.device, "auto, cpu, cuda or cuda:N");
    HeartbeatSettings::fields(self.heartbeat, field);
    ManageSettings::fields(self.role, field);
  }
};

// The limit of the environment's THRESHOLD, as the original's manager reads it, where no other is given. Throws
// UsageError.
void take_threshold(ManageOptions& options);
// What the role needs beside its settings: the bundle and its model, unless a server judges.
ManageParts manage_parts(const ManageOptions& options);
CommandSpec manage_command();

}  // namespace anomctl
