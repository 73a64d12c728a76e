#include "commands/up.h"

#include <fmt/format.h>

#include <algorithm>
#include <latch>
#include <mutex>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/io/net/http.h"
#include "commands/command_settings.h"
#include "commands/demo/local_broker.h"
#include "commands/generate.h"
#include "commands/help.h"
#include "commands/manage.h"
#include "commands/open_model.h"
#include "commands/role_threads.h"
#include "commands/serve.h"

namespace anomctl {
namespace {

constexpr const char* kStoreFile = "anomctl.store";  // where manage.store names none
const std::vector<std::string> kRoles = {"serve", "manage", "generate"};

std::vector<std::string> roles_of(const UpOptions& options, const TomlFile& file) {
  for (const std::string& role : options.roles)
    if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end())
      throw UsageError(fmt::format("roles: '{}' is none of serve, manage, generate", role));
  std::vector<std::string> roles;
  for (const std::string& role : kRoles) {
    const bool named = std::find(options.roles.begin(), options.roles.end(), role) != options.roles.end();
    if (options.roles.empty() ? file.tables.contains(role) : named) roles.push_back(role);
  }
  if (roles.empty())
    throw UsageError("there is nothing to run: give --config FILE.toml with a table [serve], [manage] or [generate]");
  return roles;
}

int run(const UpOptions& options, Context& context) {
  const TomlFile file = context.config.empty() ? TomlFile{} : read_toml(context.config);
  const std::vector<std::string> roles = roles_of(options, file);
  auto serve = settings_of<ServeSettings>("serve", file);
  auto manage = settings_of<ManageOptions>("manage", file);
  take_threshold(manage);
  auto generate_options = settings_of<GenerateOptions>("generate", file);
  const auto runs = [&](const char* role) { return std::find(roles.begin(), roles.end(), role) != roles.end(); };

  std::optional<LocalBroker> broker;
  if (options.local_broker) {
    broker.emplace(manage.role.topic.topic_org);
    const auto use = [&](MqttSettings& mqtt, const LocalBroker::User& user) {
      mqtt.mqtt_url = broker->url();
      mqtt.mqtt_user = user.name;
      mqtt.mqtt_pass = user.password;
    };
    use(manage.role.mqtt, broker->manager());
    use(generate_options.role.mqtt, broker->sensor());
    context.text("broker on " + broker->url());
  }

  // Shown is what the manager of this program says; without one there is nothing to show.
  std::optional<Dashboard> page;
  if (options.dashboard.page && runs("manage")) {
    if (manage.role.store.empty()) manage.role.store = kStoreFile;
    page.emplace(options.dashboard, manage.role.store);
    context.text("page: " + page->url());
  }

  RoleThreads running(context.stop().token());
  // Who reads starts before who sends.
  std::latch judging(runs("manage") ? 1 : 0);
  bool counted = !runs("manage");
  std::mutex text;
  const auto say = [&](const std::string& line) {
    std::lock_guard lock(text);
    context.text(line);
  };
  if (runs("serve")) {
    running.start("serve", [&] {
      ServeParts parts;
      check_device(serve.device);
      parts.make_model = [&](const Bundle& bundle) { return open_model(bundle, serve.device, 1); };
      parts.version = program_version();
      parts.on_listening = [&](const ServerPorts& ports) {
        say(fmt::format("serve: http://{}:{}/v2", host_in_url(serve.host), ports.http));
      };
      if (!run_server(serve, parts, running.token())) throw failed("requests were left unanswered");
    });
  }
  ManageCounts judged;
  GenerateCounts sent;
  if (runs("manage")) {
    running.start("manage", [&] {
      const auto release = [&] {
        if (!std::exchange(counted, true)) judging.count_down();
      };
      try {
        Heartbeat heartbeat(manage.heartbeat);
        ManageParts parts = manage_parts(manage);
        parts.on_ready = [&](const std::string& id) {
          say("manage: ready as " + id);
          release();
        };
        parts.on_episode = [&](const Episode& episode) {
          say(fmt::format("{}: {} {}", episode.closed ? "over" : "ALERT", episode.asset,
                          episode.closed ? format_stamp(episode.end) : episode.reason));
        };
        if (page) page->attach(parts);
        heartbeat.attach(parts);
        judged = run_manage(manage.role, parts, running.token());
      } catch (...) {
        release();
        throw;
      }
      release();
    });
  }
  if (runs("generate")) {
    running.start("generate", [&] {
      judging.wait();
      NoProgress quiet;
      sent = generate(generate_options, quiet, running.token());
      say(fmt::format("generate: {} rows sent", sent.rows));
    });
  }
  running.wait();
  context.result["roles"] = Json(roles);
  context.result["rows_sent"] = sent.rows;
  context.result["verdicts"] = judged.verdicts;
  context.result["episodes"] = judged.episodes;
  return context.stop().exit_code(0);
}

}  // namespace

CommandSpec up_command() {
  return make_command<UpOptions>("up", "Live", "Run several roles in one program, from one settings file",
                                 {"anomctl up --config plant.toml", "anomctl up --config plant.toml --local-broker"},
                                 run);
}

}  // namespace anomctl
