// `anomctl templates apply`: dashboard and variables into InfluxDB, a new one is set up first. Thread rule: one thread.
#pragma once

#include <string>

#include "anomctl/core/fields.h"
#include "anomctl/io/influx/client.h"
#include "commands/command.h"

namespace anomctl {

struct TemplatesApplyOptions {
  InfluxServerSettings influx;
  fs::path ca_file;
  bool set_up = false;
  std::string influxdb_user = "admin";
  std::string influxdb_pass;
  Duration retention;
  Duration wait = seconds(30);

  static void fields(auto& self, auto&& field) {
    InfluxServerSettings::fields(self.influx, field);
    field("ca_file", self.ca_file, "TLS: authority that signed InfluxDB's certificate (default: the system's)");
    field("set_up", self.set_up, "where InfluxDB is new: make its first user, organisation, bucket and token");
    field("influxdb_user", self.influxdb_user, "name of the first user", Secret{});
    field("influxdb_pass", self.influxdb_pass, "password of the first user, at least 8 characters", Secret{});
    field("retention", self.retention, "how long the bucket keeps data, where it is made here; 0: for ever");
    field("wait", self.wait, "how long to wait for InfluxDB to be there");
  }
};

CommandSpec templates_apply_command();

}  // namespace anomctl
