#include "commands/set_auth.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>
#include <vector>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/core/log.h"
#include "anomctl/deploy/broker_auth.h"
#include "anomctl/deploy/certificates.h"
#include "anomctl/deploy/env_file.h"
#include "commands/hidden_prompt.h"
#include "embedded/env_example.h"

namespace anomctl {
namespace {

constexpr std::size_t kPasswordBytes = 16;  // of randomness in a password that is made here
constexpr std::size_t kTokenBytes = 44;     // 88 characters, as long as InfluxDB's own tokens
// Services of a root's composition run as the user of our images: brokers and databases refuse to be root, and files of
// 0600 must be theirs.
constexpr unsigned kServiceUser = 10001;

// What is there already; empty where it is not.
std::string kept(const SetAuthOptions& o, const std::string& name) {
  const fs::path path = o.output / name;
  return fs::exists(path) ? read_file(path, kMiB) : "";
}
bool installed(const SetAuthOptions& o) { return fs::exists(o.output / "mosquitto_users"); }

bool asks_for_operator(const SetAuthOptions& o) {
  return o.with_operator || o.mosquitto_operator_user || !o.mosquitto_operator_pass.empty();
}

// "secrets/" and "secrets/." are "secrets".
fs::path folder_above(const SetAuthOptions& o) {
  const fs::path folder = fs::absolute(o.output).lexically_normal();
  return (folder.has_filename() ? folder : folder.parent_path()).parent_path();
}

// A link stays one: what it leads to may be shared.
fs::path env_path(const SetAuthOptions& o) {
  const fs::path path = folder_above(o) / ".env";
  if (!fs::is_symlink(path)) return path;
  if (!fs::exists(path)) throw UsageError(fmt::format("{} is a link to nothing: make what it leads to", path.string()));
  return fs::canonical(path);
}

// A new .env begins as the explained example.
EnvFile env_of(const SetAuthOptions& o) {
  const fs::path path = env_path(o);
  return {fs::exists(path) ? read_file(path, kMiB) : std::string(embedded::env_example), path.string()};
}

std::string user_of(const SetAuthOptions& o, const std::optional<std::string>& given, const char* file,
                    const char* otherwise) {
  if (given) return *given;
  const std::string before = kept(o, file);
  return before.empty() ? otherwise : before;
}

// The organisation that the access list names; empty where there is none.
std::string org_of_acl(const SetAuthOptions& o) {
  std::istringstream acl(kept(o, "mosquitto_acl"));
  constexpr std::string_view kFront = "topic write ", kBack = "/sensor/+";
  for (std::string line; std::getline(acl, line);)
    if (line.starts_with(kFront) && line.ends_with(kBack))
      return line.substr(kFront.size(), line.size() - kFront.size() - kBack.size());
  return {};
}

// The first part of topics: as given, else what the access list that is there names, else what the services read.
std::string org_of(const SetAuthOptions& o) {
  if (o.topic_org) return *o.topic_org;
  if (std::string org = org_of_acl(o); !org.empty()) return org;
  const std::string org = env_of(o).value("ORG");
  return org.empty() ? "windmill" : org;
}

struct Asked {
  const std::string& given;
  const std::string& user;
  const char* file;
  const char* flag;
};

std::string password_of(const SetAuthOptions& o, const Asked& asked, const std::stop_token& stop) {
  if (!asked.given.empty()) return asked.given;
  if (o.rotate) return random_hex(kPasswordBytes);
  if (const std::string before = kept(o, asked.file); !o.force && !before.empty()) return before;
  if (o.generate) return random_hex(kPasswordBytes);
  if (isatty(STDIN_FILENO) == 1) {
    const std::string password = ask_hidden(fmt::format("password for {}: ", asked.user), stop);
    if (password != ask_hidden(fmt::format("password for {} again: ", asked.user), stop)) {
      throw UsageError(fmt::format("the two passwords for {} differ", asked.user));
    }
    if (!password.empty()) return password;
  }
  throw UsageError(
      fmt::format("no password for {}: give {} (or {}-file), or --generate", asked.user, asked.flag, asked.flag));
}

struct SecretFile {
  std::string name;
  std::string content;
};

// Who may come in, and with what.
struct Users {
  std::string org;
  Login sensor, manager, telegraf, operates, influxdb;  // operates: without a name there is none
  std::string influxdb_token;
};

// InfluxDB keeps its user and token in a database of its own: new ones here would let nobody in.
void add_influxdb(const SetAuthOptions& o, Users& users, const std::stop_token& stop) {
  users.influxdb.user = user_of(o, o.influxdb_user, "influxdb_user", "admin");
  const std::string token = kept(o, "influxdb_token"), password = kept(o, "influxdb_pass");
  const bool same =
      users.influxdb.user == kept(o, "influxdb_user") && (o.influxdb_pass.empty() || o.influxdb_pass == password);
  if (!token.empty() && same) {
    users.influxdb.password = password;
    users.influxdb_token = token;
    return;
  }
  if (!token.empty() && !o.force)
    throw UsageError("InfluxDB changes its user and password itself (docs/security.md); --force writes new ones here");
  if (!token.empty())
    log_warning(
        "an InfluxDB that was set up before does not know the new user, password and token: it lets nobody in "
        "with them (docs/security.md)");
  users.influxdb.password =
      password_of(o, {o.influxdb_pass, users.influxdb.user, "influxdb_pass", "--influxdb-pass"}, stop);
  users.influxdb_token = random_hex(kTokenBytes);
}

// It goes through .env, where Compose reads it, MQTT and mosquitto's access list, and must be the same in all.
void check_org(const std::string& org) {
  if (org.empty() || !is_utf8(org) || !env_takes(org) || org.find_first_of("+#/% ") != std::string::npos)
    throw UsageError(fmt::format(
        "--topic-org '{}' cannot be the first part of a topic: no spaces, quotes or any of + # / % $ \\", org));
}

Users users_of(const SetAuthOptions& o, const std::stop_token& stop) {
  Users users;
  users.org = org_of(o);
  check_org(users.org);
  if (const std::string before = org_of_acl(o); !before.empty() && before != users.org)
    log_warning(
        "an InfluxDB that was set up for {} knows no {}: rename it there (influx org update, docs/deployment.md)",
        before, users.org);
  Login &sensor = users.sensor, &manager = users.manager, &telegraf = users.telegraf;
  sensor.user = user_of(o, o.mosquitto_sensor_user, "mosquitto_sensor_user", "sensor_blade");
  manager.user = user_of(o, o.mosquitto_manager_user, "mosquitto_manager_user", "manager_blade");
  telegraf.user = user_of(o, o.mosquitto_telegraf_user, "mosquitto_telegraf_user", "telegraf");
  const bool with_operator =
      asks_for_operator(o) || (!o.without_operator && !kept(o, "mosquitto_operator_user").empty());
  if (with_operator) users.operates.user = user_of(o, o.mosquitto_operator_user, "mosquitto_operator_user", "operator");
  if (std::set{sensor.user, manager.user, telegraf.user, users.operates.user}.size() < 4)
    throw UsageError("sensor, manager, Telegraf and operator need different user names");
  sensor.password =
      password_of(o, {o.mosquitto_sensor_pass, sensor.user, "mosquitto_sensor_pass", "--mosquitto-sensor-pass"}, stop);
  manager.password = password_of(
      o, {o.mosquitto_manager_pass, manager.user, "mosquitto_manager_pass", "--mosquitto-manager-pass"}, stop);
  telegraf.password = password_of(
      o, {o.mosquitto_telegraf_pass, telegraf.user, "mosquitto_telegraf_pass", "--mosquitto-telegraf-pass"}, stop);
  if (with_operator)
    users.operates.password = password_of(
        o, {o.mosquitto_operator_pass, users.operates.user, "mosquitto_operator_pass", "--mosquitto-operator-pass"},
        stop);
  add_influxdb(o, users, stop);
  if (users.influxdb.password.size() < 8)
    throw UsageError("InfluxDB refuses passwords of fewer than 8 characters (--influxdb-pass)");
  for (const Login* login : {&sensor, &manager, &telegraf, &users.operates, &users.influxdb}) {
    const std::string& word = login->password;
    if (std::any_of(word.begin(), word.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
      throw UsageError(fmt::format("the password of {} holds a line end or another control character", login->user));
    const std::string weakness = login->user.empty() ? "" : password_weakness(*login);
    if (!weakness.empty()) log_warning("the password of {} is weak: {}", login->user, weakness);
  }
  return users;
}

// Clients give up on certificates that are valid for longer than this (browsers since 2020: 398 days; ours are not for
// them).
constexpr int kCertificateDays = 825;

// The authority stays: clients trust it. Only --force --tls makes another. A client's certificate names its user, and so
// is renewed with it.
void add_certificates(const SetAuthOptions& o, const Users& users, std::vector<SecretFile>& files) {
  const std::string certificate = kept(o, "tls_ca.crt"), key = kept(o, "tls_ca.key");
  const bool there = !certificate.empty() || !key.empty(), anew = o.tls && (o.force || !there);
  const bool renamed = users.sensor.user != kept(o, "mosquitto_sensor_user") ||
                       users.manager.user != kept(o, "mosquitto_manager_user") ||
                       users.telegraf.user != kept(o, "mosquitto_telegraf_user") ||
                       (!users.operates.user.empty() && users.operates.user != kept(o, "mosquitto_operator_user"));
  if (!o.tls && !(there && renamed)) return;
  if (!anew && (certificate.empty() || key.empty()))
    throw UsageError(
        fmt::format("{} is missing, without which no certificates of the same authority can be made: put it back, or "
                    "--force --tls makes another authority, which clients elsewhere must be given",
                    (o.output / (key.empty() ? "tls_ca.key" : "tls_ca.crt")).string()));
  const Certificate authority = anew ? make_authority("anomctl " + users.org) : Certificate{certificate, key};
  const auto put = [&](const std::string& name, const Certificate& made) {
    files.push_back({"tls_" + name + ".crt", made.certificate});
    files.push_back({"tls_" + name + ".key", made.key});
  };
  if (anew) put("ca", authority);
  if (o.tls) {
    std::vector<std::string> hosts = {"broker", "detector", "influxdb", "localhost", "127.0.0.1"};
    hosts.insert(hosts.end(), o.tls_hosts.begin(), o.tls_hosts.end());
    put("server", make_server_certificate(authority, hosts, kCertificateDays));
  }
  put("sensor", make_client_certificate(authority, users.sensor.user, kCertificateDays));
  put("manager", make_client_certificate(authority, users.manager.user, kCertificateDays));
  put("telegraf", make_client_certificate(authority, users.telegraf.user, kCertificateDays));
  if (!users.operates.user.empty())
    put("operator", make_client_certificate(authority, users.operates.user, kCertificateDays));
}

std::vector<SecretFile> files_of(const SetAuthOptions& o, const Users& users) {
  const Login &sensor = users.sensor, &manager = users.manager, &telegraf = users.telegraf;
  std::string lines;
  for (const Login* login : {&sensor, &manager, &telegraf, &users.operates})
    if (!login->user.empty()) lines += mosquitto_password_line(*login) + "\n";
  // No line end in single values: services read the file as it is.
  std::vector<SecretFile> files = {
      {"mosquitto_sensor_user", sensor.user},
      {"mosquitto_sensor_pass", sensor.password},
      {"mosquitto_manager_user", manager.user},
      {"mosquitto_manager_pass", manager.password},
      {"mosquitto_telegraf_user", telegraf.user},
      {"mosquitto_telegraf_pass", telegraf.password},
      {"influxdb_user", users.influxdb.user},
      {"influxdb_pass", users.influxdb.password},
      {"influxdb_token", users.influxdb_token},
      {"mosquitto_users", lines},
      {"mosquitto_acl", mosquitto_acl({users.org, sensor.user, manager.user, telegraf.user, users.operates.user})}};
  if (!users.operates.user.empty()) {
    files.push_back({"mosquitto_operator_user", users.operates.user});
    files.push_back({"mosquitto_operator_pass", users.operates.password});
  }
  add_certificates(o, users, files);
  return files;
}

struct Owner {
  unsigned uid = 0, gid = 0;
};

// As whom the services run, so that files of mode 0600 can be read: the caller, for root whom .env names, else the user
// of the images.
Owner owner_of(const EnvFile& env) {
  const auto number = [&](const char* name) {
    unsigned value = 0;
    const std::string text = env.value(name);
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  const Owner caller{getuid(), getgid()}, before{number("ANOMCTL_UID"), number("ANOMCTL_GID")};
  if (caller.uid == 0) return before.uid != 0 ? before : Owner{kServiceUser, kServiceUser};
  if (before.uid != 0 && before.uid != caller.uid)
    log_warning("the services ran as {} before, their volumes belong to it: chown them to {}, or call this as {}",
                before.uid, caller.uid, before.uid);
  return caller;
}

void write_for(const Owner& owner, const fs::path& path, const std::string& content) {
  write_file_atomic(path, content, 0600);
  if (getuid() == 0 && chown(path.c_str(), owner.uid, owner.gid) != 0)
    throw failed(fmt::format("{}: cannot be given to user {}", path.string(), owner.uid));
}

// What the services have to know. Other lines stay, and whose file it is.
void write_env(const SetAuthOptions& o, EnvFile env, const std::string& org, const Owner& owner) {
  const fs::path path = env_path(o);
  env.set("ORG", org);
  env.set("ANOMCTL_UID", std::to_string(owner.uid));
  env.set("ANOMCTL_GID", std::to_string(owner.gid));
  struct stat facts {};
  const bool there = ::stat(path.c_str(), &facts) == 0;
  write_for(there ? Owner{facts.st_uid, facts.st_gid} : Owner{getuid(), getgid()}, path, env.text());
}

int run(const SetAuthOptions& options, Context& context) {
  write_secrets(options, context.stop().token());
  context.text(fmt::format("secrets written to {} (mode 0600), owner and organisation to {}", options.output.string(),
                           env_path(options).string()));
  if (options.rotate) {
    context.text(
        "rotated: restart the composition (docker compose restart). InfluxDB's password and token stay: it changes "
        "them "
        "itself (docs/security.md)");
  }
  context.result["output"] = options.output.string();
  return 0;
}

// What would do harm, or nothing.
void check(const SetAuthOptions& o) {
  if (!o.tls && !o.tls_hosts.empty()) throw UsageError("tls-hosts needs tls");
  if (o.without_operator && asks_for_operator(o)) throw UsageError("an operator is either made or taken away");
  if (o.rotate && !installed(o))
    throw UsageError(
        fmt::format("{}: there is nothing to rotate (set-auth --generate makes secrets)", o.output.string()));
  if (!installed(o) || o.force || o.rotate) return;
  const bool amends = o.tls || o.topic_org || o.mosquitto_sensor_user || o.mosquitto_manager_user ||
                      o.mosquitto_telegraf_user || asks_for_operator(o) || o.without_operator;
  const bool passwords = !o.mosquitto_sensor_pass.empty() || !o.mosquitto_manager_pass.empty() ||
                         !o.mosquitto_telegraf_pass.empty() || !o.influxdb_pass.empty();
  if (!amends || passwords)
    throw UsageError(
        fmt::format("{} exists: --rotate makes new passwords, --force overwrites all but InfluxDB's, --tls and "
                    "--topic-org change the rest",
                    (o.output / "mosquitto_users").string()));
}

}  // namespace

void write_secrets(const SetAuthOptions& options, const std::stop_token& stop) {
  check(options);
  const Users users = users_of(options, stop);
  const auto files = files_of(options, users);
  const EnvFile env = env_of(options);
  const Owner owner = owner_of(env);
  const fs::path above = folder_above(options);
  // Whoever may write to .env decides as whom services run.
  if (fs::create_directories(above))
    fs::permissions(above, fs::perms::group_write | fs::perms::others_write, fs::perm_options::remove);
  fs::create_directories(options.output);
  if (fs::is_empty(options.output) || installed(options))  // a folder of other things is not closed to their readers
    fs::permissions(options.output, fs::perms::owner_all, fs::perm_options::replace);
  for (const SecretFile& file : files) write_for(owner, options.output / file.name, file.content);
  if (users.operates.user.empty())
    for (const char* name :
         {"mosquitto_operator_user", "mosquitto_operator_pass", "tls_operator.crt", "tls_operator.key"})
      fs::remove(options.output / name);
  write_env(options, env, users.org, owner);
}

CommandSpec set_auth_command() {
  return make_command<SetAuthOptions>("set-auth", "Deployment",
                                      "Write users, passwords and access rules of the composition",
                                      {"anomctl set-auth --generate",
                                       "anomctl set-auth --mosquitto_sensor_pass PASSWORD --mosquitto_manager_pass "
                                       "PASSWORD --mosquitto_telegraf_pass PASSWORD --influxdb_pass PASSWORD"},
                                      run);
}

}  // namespace anomctl
