#include "commands/set_auth.h"

#include <fmt/core.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <sstream>
#include <vector>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/deploy/broker_auth.h"
#include "anomctl/deploy/certificates.h"
#include "embedded/env_example.h"

namespace anomctl {
namespace {

constexpr std::size_t kPasswordBytes = 16;  // of randomness in a password that is made here
constexpr std::size_t kTokenBytes = 44;     // 88 characters, as long as InfluxDB's own tokens

// Reads a line from the terminal without showing it.
std::string ask_hidden(const std::string& prompt) {
  std::cerr << prompt << std::flush;
  termios before{};
  tcgetattr(STDIN_FILENO, &before);
  termios hidden = before;
  hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(STDIN_FILENO, TCSANOW, &hidden);
  std::string line;
  std::getline(std::cin, line);
  tcsetattr(STDIN_FILENO, TCSANOW, &before);
  std::cerr << '\n';
  return line;
}

std::string obtain(const SetAuthOptions& options, const std::string& given, const std::string& user, const char* flag) {
  if (options.rotate) return random_hex(kPasswordBytes);
  if (!given.empty()) return given;
  if (options.generate) return random_hex(kPasswordBytes);
  if (isatty(STDIN_FILENO) == 1) {
    const std::string password = ask_hidden(fmt::format("password for {}: ", user));
    if (password != ask_hidden(fmt::format("password for {} again: ", user))) {
      throw UsageError(fmt::format("the two passwords for {} differ", user));
    }
    if (!password.empty()) return password;
  }
  throw UsageError(fmt::format("no password for {}: give {} (or {}-file), or --generate", user, flag, flag));
}

struct SecretFile {
  std::string name;
  std::string content;
};

// Clients give up on certificates that are valid for longer than this (browsers since 2020: 398 days; ours are not for
// them).
constexpr int kCertificateDays = 825;

// The authority stays as long as its files do: clients trust it.
void add_certificates(const SetAuthOptions& o, std::vector<SecretFile>& files) {
  const fs::path certificate = o.output / "tls_ca.crt", key = o.output / "tls_ca.key";
  const bool kept = !o.force && fs::exists(certificate) && fs::exists(key);
  const Certificate authority =
      kept ? Certificate{read_file(certificate, kMiB), read_file(key, kMiB)} : make_authority("anomctl " + o.topic_org);
  std::vector<std::string> hosts = {"broker", "detector", "influxdb", "localhost", "127.0.0.1"};
  hosts.insert(hosts.end(), o.tls_hosts.begin(), o.tls_hosts.end());
  const auto put = [&](const std::string& name, const Certificate& made) {
    files.push_back({"tls_" + name + ".crt", made.certificate});
    files.push_back({"tls_" + name + ".key", made.key});
  };
  if (!kept) put("ca", authority);
  put("server", make_server_certificate(authority, hosts, kCertificateDays));
  put("sensor", make_client_certificate(authority, o.mosquitto_sensor_user, kCertificateDays));
  put("manager", make_client_certificate(authority, o.mosquitto_manager_user, kCertificateDays));
  put("telegraf", make_client_certificate(authority, o.mosquitto_telegraf_user, kCertificateDays));
}

std::vector<SecretFile> secrets(const SetAuthOptions& o) {
  const Login sensor{o.mosquitto_sensor_user,
                     obtain(o, o.mosquitto_sensor_pass, o.mosquitto_sensor_user, "--mosquitto-sensor-pass")};
  const Login manager{o.mosquitto_manager_user,
                      obtain(o, o.mosquitto_manager_pass, o.mosquitto_manager_user, "--mosquitto-manager-pass")};
  const Login telegraf{o.mosquitto_telegraf_user,
                       obtain(o, o.mosquitto_telegraf_pass, o.mosquitto_telegraf_user, "--mosquitto-telegraf-pass")};
  // InfluxDB keeps its user and token in a database of its own: a new one here would let nobody in.
  const bool keep_influxdb = o.rotate && fs::exists(o.output / "influxdb_token");
  const auto kept = [&](const char* name) { return read_file(o.output / name, kMiB); };
  const Login influxdb = keep_influxdb
                             ? Login{kept("influxdb_user"), kept("influxdb_pass")}
                             : Login{o.influxdb_user, obtain(o, o.influxdb_pass, o.influxdb_user, "--influxdb-pass")};
  if (sensor.user == manager.user || sensor.user == telegraf.user || manager.user == telegraf.user) {
    throw UsageError("sensor, manager and Telegraf need three different user names");
  }
  if (influxdb.password.size() < 8)
    throw UsageError("InfluxDB refuses passwords of fewer than 8 characters (--influxdb-pass)");
  for (const Login* login : {&sensor, &manager, &telegraf, &influxdb}) {
    const std::string weakness = password_weakness(*login);
    if (!weakness.empty()) log_warning("the password of {} is weak: {}", login->user, weakness);
  }
  std::string users;
  for (const Login* login : {&sensor, &manager, &telegraf}) users += mosquitto_password_line(*login) + "\n";
  // No line end in single values: services read the file as it is.
  std::vector<SecretFile> files = {
      {"mosquitto_sensor_user", sensor.user},
      {"mosquitto_sensor_pass", sensor.password},
      {"mosquitto_manager_user", manager.user},
      {"mosquitto_manager_pass", manager.password},
      {"mosquitto_telegraf_user", telegraf.user},
      {"mosquitto_telegraf_pass", telegraf.password},
      {"influxdb_user", influxdb.user},
      {"influxdb_pass", influxdb.password},
      {"influxdb_token", keep_influxdb ? kept("influxdb_token") : random_hex(kTokenBytes)},
      {"mosquitto_users", users},
      {"mosquitto_acl", mosquitto_acl({o.topic_org, sensor.user, manager.user, telegraf.user})}};
  if (o.tls) add_certificates(o, files);
  return files;
}

// The caller's uid and gid in .env: the services run as this user, so that files of mode 0600 can be read. Other lines
// stay; a new .env begins as the explained example.
void write_owner(const fs::path& env_file) {
  std::string kept;
  std::istringstream lines(fs::exists(env_file) ? read_file(env_file, kMiB) : std::string(embedded::env_example));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("ANOMCTL_UID=") && !line.starts_with("ANOMCTL_GID=")) kept += line + "\n";
  }
  kept += fmt::format("ANOMCTL_UID={}\nANOMCTL_GID={}\n", getuid(), getgid());
  write_file_atomic(env_file, kept, 0600);
}

int run(const SetAuthOptions& options, Context& context) {
  write_secrets(options);
  context.text(fmt::format("secrets written to {} (mode 0600), owner to {}", options.output.string(),
                           (fs::absolute(options.output).parent_path() / ".env").string()));
  if (options.rotate) {
    context.text(
        "rotated: restart the composition (docker compose restart). InfluxDB's password and token stay: it changes "
        "them "
        "itself (docs/security.md)");
  }
  context.result["output"] = options.output.string();
  return 0;
}

}  // namespace

void write_secrets(const SetAuthOptions& options) {
  if (options.topic_org.empty() || options.topic_org.find_first_of("+#/\n ") != std::string::npos) {
    throw UsageError(fmt::format("--topic-org '{}' cannot be the first part of a topic", options.topic_org));
  }
  if (!options.tls && !options.tls_hosts.empty()) throw UsageError("tls-hosts needs tls");
  const fs::path probe = options.output / "mosquitto_users";
  if (fs::exists(probe) && !options.force && !options.rotate) {
    throw UsageError(fmt::format("{} exists: --force overwrites it, --rotate makes new passwords", probe.string()));
  }
  const auto files = secrets(options);
  fs::create_directories(options.output);
  fs::permissions(options.output, fs::perms::owner_all, fs::perm_options::replace);
  for (const SecretFile& file : files) write_file_atomic(options.output / file.name, file.content, 0600);
  write_owner(fs::absolute(options.output).parent_path() / ".env");
}

CommandSpec set_auth_command() {
  return make_command<SetAuthOptions>("set-auth", "Deployment",
                                      "Write users, passwords and access rules of the composition",
                                      {"anomctl set-auth --generate",
                                       "anomctl set-auth --mosquitto_sensor_pass P --mosquitto_manager_pass P "
                                       "--mosquitto_telegraf_pass P --influxdb_pass P"},
                                      run);
}

}  // namespace anomctl
