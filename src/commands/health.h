// `anomctl health`: asks a running service whether it is ready, for a container's health check.
#pragma once

#include <string>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"
#include "commands/command.h"

namespace anomctl {

struct HealthOptions {
  std::string url;
  fs::path alive_file;
  bool live = false;
  Duration timeout = seconds(3), max_age = seconds(15);
  fs::path ca_file;

  static void fields(auto& self, auto&& field) {
    field("url", self.url,
          "the service: http://host:8080 of serve (or a path of its own), mqtt://host:1883 of a broker (default: who "
          "writes alive-file, else http://127.0.0.1:8080)",
          Positional{});
    field("alive_file", self.alive_file, "the role that was given this alive-file: manage, generate");
    field("live", self.live, "only whether it lives: it may be starting, or wait for another service");
    field("timeout", self.timeout, "longest wait for the answer", Between{0.01, 600});
    field("max_age", self.max_age, "alive-file tells nothing when it is older", Between{0.1, 86'400});
    field("ca_file", self.ca_file, "certificates that an https:// service is checked against (default: the system's)");
  }
};

CommandSpec health_command();

}  // namespace anomctl
