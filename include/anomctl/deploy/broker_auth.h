// mosquitto's password and access files. Thread rule: pure functions, safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anomctl {

struct Login {
  std::string user;
  std::string password;
};

// "user:$7$101$SALT$HASH": PBKDF2-HMAC-SHA512 over 64 bytes as mosquitto_passwd writes it. `salt` must have the 12
// bytes that every 2.0 broker takes; empty makes a random one. Throws UsageError for a user name with ':' or an empty
// password.
std::string mosquitto_password_line(const Login& login, std::string_view salt = {}, int iterations = 101);

struct AclRoles {
  std::string org = "windmill";
  std::string sensor_user, manager_user, telegraf_user;
  std::string operator_user = {};  // empty: there is none
};
// Sensor: may write its readings. Manager: may read readings and maintenance windows, write verdicts, alerts and its
// status. Telegraf: may only read. Operator: may read, and write maintenance windows and acknowledgements. Nothing else is
// allowed to anyone.
std::string mosquitto_acl(const AclRoles& roles);

// Why a password is easy to guess, or empty.
std::string password_weakness(const Login& login);

}  // namespace anomctl
