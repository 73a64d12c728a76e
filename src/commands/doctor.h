// `anomctl doctor`: what this machine offers and what is missing. Reads only.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"
#include "commands/command.h"

namespace anomctl {

struct DoctorOptions {
  std::string mqtt_url, server_url;
  Duration timeout = seconds(3);
  bool compose = false;
  fs::path compose_dir = "compose";
  std::string engine = "docker";

  static void fields(auto& self, auto&& field) {
    field("mqtt_url", self.mqtt_url, "broker to reach: mqtt://host:1883");
    field("server_url", self.server_url, "inference server to reach: http://host:8080");
    field("compose", self.compose, "look only at what the composition needs before its start");
    field("compose_dir", self.compose_dir, "folder of docker-compose.yml, .env and secrets/");
    field("engine", self.engine, "container engine's command");
    field("timeout", self.timeout, "longest wait for a service", Between{0.01, 600});
  }
};

struct Finding {
  std::string name;   // "memory"
  std::string state;  // "ok", "absent" (something does not work here), "low", "missing", "unreachable"
  std::string text;   // for people
  std::string next;   // what to do about it, empty when nothing is needed
  Json value;         // for --json
};
std::vector<Finding> examine(const DoctorOptions& options);

CommandSpec doctor_command();

}  // namespace anomctl
