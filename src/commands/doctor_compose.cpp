#include "commands/doctor_compose.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

#include "anomctl/core/error.h"
#include "anomctl/core/fields.h"
#include "anomctl/deploy/container_images.h"
#include "anomctl/deploy/env_file.h"
#include "anomctl/io/influx/client.h"
#include "anomctl/io/net/reach.h"

namespace anomctl {
namespace {

using Settings = std::map<std::string, std::string>;

// What a pattern's first group matches in the text, without repetition.
std::set<std::string> all_of(const std::string& text, const std::regex& pattern) {
  std::set<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) found.insert((*it)[1]);
  return found;
}

// What the shell's environment says counts more at Compose than .env.
std::string given(const EnvFile& env, const std::string& name) {
  const char* own = std::getenv(name.c_str());
  return own == nullptr ? env.value(name) : own;
}

// The variables that our files name, as far as they are given; what .env does not give as it is meant goes to `unclear`.
Settings read_env(const EnvFile& env, const std::string& text, std::vector<std::string>& unclear) {
  static const std::regex kVariable(R"(\$\{([A-Z_]+))");
  Settings settings;
  for (const std::string& name : all_of(text, kVariable)) {
    try {
      if (env.names(name) || std::getenv(name.c_str()) != nullptr) settings[name] = given(env, name);
    } catch (const Error& error) {
      unclear.emplace_back(error.what());
    }
  }
  return settings;
}

// "${A:-b}" as compose reads it.
std::string expand(const std::string& text, const Settings& settings) {
  static const std::regex kVariable(R"(\$\{([A-Z_]+)(:[-?]([^}]*))?\})");
  std::string out;
  auto at = text.cbegin();
  for (std::sregex_iterator it(text.begin(), text.end(), kVariable), end; it != end; ++it) {
    out.append(at, text.cbegin() + it->position());
    const auto found = settings.find((*it)[1]);
    const bool given = found != settings.end() && !found->second.empty();
    out += given ? found->second : (*it)[2].str().starts_with(":-") ? (*it)[3].str() : "";
    at = text.cbegin() + it->position() + it->length();
  }
  return out.append(at, text.cend());
}

// What of our compose files is looked at: they write these keys on one line, services and secrets two spaces in.
struct Service {
  std::string image, ports;
  std::set<std::string> profiles;  // empty: always there
  bool runs_in(const std::string& profile) const { return profiles.empty() || profiles.contains(profile); }
};

using Services = std::map<std::string, Service>;

Services services_of(const std::string& text) {
  static const std::regex kService("  ([a-z-]+):.*"), kKey("    (image|ports|profiles): *(.*)"), kWord("([a-z]+)"),
      kMerged(R"(    <<: \*([a-z]+))");  // anchors have the name of their service
  Services services;
  std::istringstream lines(text);
  std::smatch part;
  std::string name;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_match(line, part, kService)) name = part[1];
    if (!line.empty() && line.front() != ' ') name.clear();
    if (name.empty()) continue;
    Service& service = services[name];
    if (std::regex_match(line, part, kMerged) && services.contains(part[1])) service = services[part[1]];
    if (!std::regex_match(line, part, kKey)) continue;
    const std::string value = part[2];
    if (part[1] == "image") service.image = value;
    if (part[1] == "profiles") service.profiles = all_of(value, kWord);
    if (part[1] == "ports") service.ports = value;
  }
  return services;
}

// As compose puts a second file over the first.
void put_over(Services& services, const Services& later) {
  for (const auto& [name, over] : later) {
    Service& service = services[name];
    if (!over.image.empty()) service.image = over.image;
    if (!over.profiles.empty()) service.profiles = over.profiles;
    service.ports = over.ports.starts_with("!override") ? over.ports : service.ports + over.ports;
  }
}

Finding finding(const std::string& name, const std::vector<std::string>& missing, const std::string& fine,
                const std::string& next) {
  Json value = Json::object();
  value["missing"] = Json(missing);
  if (missing.empty()) return {name, "ok", fine, "", std::move(value)};
  return {name, "missing", fmt::format("{}", fmt::join(missing, ", ")), next, std::move(value)};
}

Finding settings_of(const fs::path& folder, const std::string& profile, const Settings& settings,
                    std::vector<std::string> missing) {
  const auto value = [&](const char* name, const char* otherwise) {
    const auto found = settings.find(name);
    return found == settings.end() || found->second.empty() ? std::string(otherwise) : found->second;
  };
  const auto reads = [&](const char* name, auto into) {
    try {
      if (const std::string text = value(name, ""); !text.empty()) parse_value(text, into);
    } catch (const UsageError& error) {
      missing.push_back(fmt::format("{}: {}", name, error.what()));
    }
    return into;
  };
  for (const char* name : {"ANOMCTL_UID", "ANOMCTL_GID"}) {
    if (value(name, "").empty()) missing.push_back(name);
    reads(name, std::int64_t{0});
  }
  if (value("ANOMCTL_UID", "") == "0") missing.push_back("ANOMCTL_UID is 0: the broker refuses to be root");
  if (profile != "cpu" && profile != "gpu" && profile != "edge")
    missing.push_back(fmt::format("COMPOSE_PROFILES '{}' is none of cpu, gpu, edge: nobody would judge", profile));
  reads("THRESHOLD", 0.0);
  if (const Duration kept = reads("RETENTION", Duration{}); !is_retention(kept.ns / kSecond))
    missing.push_back(
        fmt::format("RETENTION '{}' is shorter than InfluxDB's hour (0: for ever)", value("RETENTION", "")));
  if (const std::string sensor = value("SENSOR", "blade"); sensor.find_first_of("+#/") != sensor.npos)
    missing.push_back(fmt::format("SENSOR '{}' cannot be a part of a topic", sensor));
  const fs::path acl = folder / "secrets/mosquitto_acl";
  const std::string org = value("ORG", "windmill");
  if (fs::exists(acl) && read_file(acl, kMiB).find(fmt::format("topic write {}/sensor/+\n", org)) == std::string::npos)
    missing.push_back(fmt::format("ORG '{}' is not that of {} (anomctl set-auth --topic-org)", org, acl.string()));
  return finding("settings", missing, (folder / ".env").string(), "anomctl set-auth writes them to .env");
}

Finding secrets_of(const fs::path& folder, const std::string& text, const Settings& settings) {
  static const std::regex kFile(R"(\{ *file: *(\S+) *\})");
  std::vector<std::string> missing;
  std::size_t n = 0;
  for (const std::string& file : all_of(text, kFile)) {
    struct stat facts {};
    const fs::path path = folder / file;
    ++n;
    if (::stat(path.c_str(), &facts) != 0)
      missing.push_back(path.lexically_normal().string());
    else if (facts.st_size == 0)
      missing.push_back(path.lexically_normal().string() + " is empty");
    else if (settings.contains("ANOMCTL_UID") && settings.at("ANOMCTL_UID") != std::to_string(facts.st_uid))
      missing.push_back(fmt::format("{} belongs to user {}, the services run as {}", path.lexically_normal().string(),
                                    facts.st_uid, settings.at("ANOMCTL_UID")));
    else if ((facts.st_mode & 077) != 0)
      missing.push_back(path.lexically_normal().string() + " may be read by others");
  }
  return finding("secrets", missing, fmt::format("{} files", n),
                 "anomctl set-auth --generate, or --rotate where there are some");
}

// Silent: only whether it succeeds counts. `first`, `second`: what the script calls $1 and $2.
bool script_succeeds(const std::string& script, const std::string& program, const std::string& first = "",
                     const std::string& second = "") {
  try {
    return run_program({"/bin/sh", "-c", script, program, first, second}) == 0;
  } catch (const Error&) {
    return false;
  }
}

// What runs of the composition already: "telegraf", "manager", and "127.0.0.1:1883->1883/tcp" of the ports that it holds.
struct Running {
  std::set<std::string> services;
  std::string ports;
};

Running running_of(const std::string& engine, const std::string& project) {
  constexpr const char* kList = R"sh("$0" ps --filter label=com.docker.compose.project="$1" --format \
      '{{.Label "com.docker.compose.service"}} {{.Ports}}' >"$2" 2>/dev/null)sh";
  const TemporaryFolder folder;
  const fs::path list = folder.path() / "list";
  Running running;
  if (!script_succeeds(kList, engine, project, list.string())) return running;
  std::istringstream lines(read_file(list, kMiB));
  for (std::string service, ports; lines >> service && std::getline(lines, ports);) {
    running.services.insert(service);
    running.ports += ports + "\n";
  }
  return running;
}

Finding ports_of(const std::vector<Service>& services, const Settings& settings, const Running& running) {
  static const std::regex kPort(R"re("[^"]*?(\$\{[A-Z_]+PORT:-[0-9]+\}):[0-9]+")re");
  std::vector<std::string> taken;
  std::set<std::string> ports;
  std::set<int> numbers;
  for (const Service& service : services) ports.merge(all_of(service.ports, kPort));
  for (const std::string& port : ports) {
    const std::string number = expand(port, settings);
    int value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc() || end != number.data() + number.size() || value < 1 || value > 65535)
      taken.push_back(fmt::format("'{}' is no port", number));
    else if (!numbers.insert(value).second)
      taken.push_back(fmt::format("{} is wanted twice", value));
    else if (running.ports.find(fmt::format(":{}->", value)) == std::string::npos &&
             why_unreachable("127.0.0.1", value, milliseconds(500)).empty())
      taken.push_back(fmt::format("{} is in use", value));
  }
  return finding("ports", taken, fmt::format("{} are free, or the composition's own", ports.size()),
                 "end what listens there, or choose others in .env");
}

std::vector<Finding> engine_and_images(const std::string& engine, const std::vector<Service>& services,
                                       const Settings& settings, const char* oldest) {
  const auto succeeds = [&](const std::string& program, const std::string& arguments) {
    return script_succeeds(fmt::format("exec \"$0\" {} >/dev/null 2>&1", arguments), program);
  };
  Json value = Json::object();
  value["engine"] = engine;
  if (!succeeds(engine, "version"))
    return {{"engine", "missing", fmt::format("{} does not answer", engine), "install and start a container engine",
             std::move(value)}};
  std::vector<Finding> findings = {{"engine", "ok", engine, "", std::move(value)}};
  // The engine's own command or a program beside it. Older ones do not understand the files.
  constexpr const char* kVersion =
      R"sh(for v in "$("$0" compose version --short 2>/dev/null)" "$("$0-compose" version --short 2>/dev/null)"; do
           [ -z "$v" ] || ! printf '%s\n' "$1" "${v#v}" | sort -VC || exit 0
         done
         exit 1)sh";
  if (!script_succeeds(kVersion, engine, oldest))
    findings.push_back(
        finding("compose", {fmt::format("docker compose from {} on", oldest)}, "", "install a newer Compose v2"));
  std::vector<std::string> missing;
  std::set<std::string> images;
  for (const Service& service : services) images.insert(service.image);
  for (const std::string& image : images) {
    const std::string name = expand(image, settings);
    const bool plain = name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@") ==
                       std::string::npos;
    if (!plain || !succeeds(engine, fmt::format("image inspect {}", name))) missing.push_back(name);
  }
  findings.push_back(finding("images", missing, fmt::format("{} images", images.size()),
                             "anomctl build-images all --bundle DIR makes ours; compose fetches the others"));
  return findings;
}

}  // namespace

std::vector<Finding> examine_compose(const fs::path& folder, const std::string& engine) {
  const fs::path file = folder / "docker-compose.yml", env_path = folder / ".env";
  if (!fs::exists(file)) return {finding("compose", {file.string()}, "", "run in the folder that holds compose/")};
  std::optional<EnvFile> env;
  std::string files, profile, project, separator;
  try {
    env.emplace(fs::exists(env_path) ? read_file(env_path, kMiB) : "", env_path.string());
    files = given(*env, "COMPOSE_FILE");
    separator = given(*env, "COMPOSE_PATH_SEPARATOR");
    profile = given(*env, "COMPOSE_PROFILES");
    project = given(*env, "COMPOSE_PROJECT_NAME");
  } catch (const Error& error) {
    return {finding("settings", {error.what()}, "", "Compose would not read it as it is meant")};
  }
  // The variant with TLS is chosen in .env too.
  Services found;
  std::string text;
  if (separator.empty()) separator = ":";
  if (files.empty()) {
    files = file.filename();
    if (const char* more = "docker-compose.override.yml"; fs::exists(folder / more)) files += separator + more;
  }
  std::istringstream names(files);
  for (std::string name; std::getline(names, name, separator.front());) {
    if (!fs::exists(folder / name))
      return {finding("compose", {(folder / name).string()}, "", "COMPOSE_FILE in .env names it")};
    const std::string one = read_file(folder / name, kMiB);
    put_over(found, services_of(one));
    text += one + "\n";
  }
  std::vector<Service> services;
  std::set<std::string> names_here;
  for (auto& [name, service] : found)
    if (!service.image.empty() && service.runs_in(profile)) {
      names_here.insert(name);
      services.push_back(std::move(service));
    }
  std::vector<std::string> unclear;
  const Settings settings = read_env(*env, text, unclear);
  static const std::regex kProject(R"((?:^|\n)name: *([a-z0-9_-]+))");
  if (std::smatch part; project.empty() && std::regex_search(text, part, kProject)) project = part[1];
  const Running running = running_of(engine, project);
  std::vector<Finding> findings = {settings_of(folder, profile, settings, std::move(unclear)),
                                   secrets_of(folder, text, settings), ports_of(services, settings, running)};
  std::vector<std::string> strays;
  for (const std::string& name : running.services)
    if (!names_here.contains(name)) strays.push_back(name + " runs, which is of another profile");
  if (!strays.empty())
    findings.push_back(
        finding("running", strays, "", "docker compose --profile cpu --profile gpu --profile edge down, then up"));
  const char* oldest = text.find("!override") == text.npos ? "2.0.0" : "2.24.4";
  for (Finding& one : engine_and_images(engine, services, settings, oldest)) findings.push_back(std::move(one));
  return findings;
}

}  // namespace anomctl
