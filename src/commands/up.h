// `anomctl up`: several roles in one program, from one TOML file.
#pragma once

#include <string>
#include <vector>

#include "anomctl/roles/dashboard.h"
#include "commands/command.h"

namespace anomctl {

struct UpOptions {
  std::vector<std::string> roles;
  bool local_broker = false;
  DashboardSettings dashboard;

  static void fields(auto& self, auto&& field) {
    field("roles", self.roles,
          "roles to run: serve, manage, generate (default: those with a table in the settings file)");
    field("local_broker", self.local_broker, "start a mosquitto on loopback with generated passwords for them");
    DashboardSettings::fields(self.dashboard, field);
  }
};

CommandSpec up_command();

}  // namespace anomctl
