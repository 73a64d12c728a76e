// `anomctl set-auth`: users, passwords and token of the composition (contract, section 6).
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "commands/command.h"

namespace anomctl {

struct SetAuthOptions {
  std::optional<std::string> mosquitto_sensor_user, mosquitto_manager_user, mosquitto_telegraf_user,
      mosquitto_operator_user, influxdb_user;
  std::string mosquitto_sensor_pass, mosquitto_manager_pass, mosquitto_telegraf_pass, mosquitto_operator_pass,
      influxdb_pass;
  std::optional<std::string> topic_org;
  fs::path output = "compose/secrets";
  bool with_operator = false, without_operator = false;
  bool generate = false;
  bool force = false;
  bool rotate = false;
  bool tls = false;
  std::vector<std::string> tls_hosts;

  static void fields(auto& self, auto&& field) {
    field("mosquitto_sensor_pass", self.mosquitto_sensor_pass, "password with which sensors publish readings",
          Secret{});
    field("mosquitto_manager_pass", self.mosquitto_manager_pass, "password of the manager", Secret{});
    field("mosquitto_telegraf_pass", self.mosquitto_telegraf_pass, "password of Telegraf at the broker", Secret{});
    field("mosquitto_operator_pass", self.mosquitto_operator_pass,
          "password of a person who mutes and acknowledges alerts on the maintenance topic: makes that user", Secret{});
    field("influxdb_pass", self.influxdb_pass, "password of InfluxDB's first user, at least 8 characters", Secret{});
    field("mosquitto_sensor_user", self.mosquitto_sensor_user,
          "user name of the sensors (default: what is there, else sensor_blade)");
    field("mosquitto_manager_user", self.mosquitto_manager_user,
          "user name of the manager (default: what is there, else manager_blade)");
    field("mosquitto_telegraf_user", self.mosquitto_telegraf_user,
          "user name of Telegraf (default: what is there, else telegraf)");
    field("mosquitto_operator_user", self.mosquitto_operator_user,
          "user name of that person (default: what is there, else operator)");
    field("influxdb_user", self.influxdb_user, "InfluxDB's first user (default: what is there, else admin)");
    field("topic_org", self.topic_org,
          "first part of every topic, for the access list and .env (default: what is there, else windmill)");
    field("output", self.output, "folder for the secrets; .env goes to the folder above");
    field("with_operator", self.with_operator,
          "make that user too, with a password that is made or asked for; who is there stays without it");
    field("without_operator", self.without_operator, "take that user away, with its password and certificate");
    field("generate", self.generate, "make the passwords that are not given and not there");
    field("force", self.force,
          "overwrite passwords that exist; InfluxDB's only with influxdb-pass, for a running one knows no others");
    field("rotate", self.rotate,
          "new passwords at the broker in place of those that exist, made by the system's random source where none is "
          "given; users and organisation stay, as do InfluxDB's, for it keeps them itself");
    field("tls", self.tls,
          "also a local authority and certificates: of the servers for broker, detector, influxdb, localhost and "
          "127.0.0.1, of a client for each user at the broker");
    field("tls_hosts", self.tls_hosts, "more names or addresses by which the servers are reached");
  }
};

// Writes all files or none. Throws UsageError when a password is missing and nobody can be asked, or when files exist.
void write_secrets(const SetAuthOptions& options, const std::stop_token& stop);
CommandSpec set_auth_command();

}  // namespace anomctl
