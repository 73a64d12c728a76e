#include "commands/manage.h"

#include <fmt/format.h>

#include "anomctl/core/config.h"
#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/detection/replay.h"
#include "anomctl/registry/run_bundle.h"
#include "commands/model_feed.h"
#include "commands/open_model.h"

namespace anomctl {

void take_threshold(ManageOptions& options) {
  const auto text = process_environment()("THRESHOLD");
  if (options.role.threshold || !options.role.budget.empty() || !text || text->empty()) return;
  double limit = 0;
  try {
    parse_value(*text, limit);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("environment THRESHOLD: {}", error.what()));
  }
  options.role.threshold = limit;
}

ManageParts manage_parts(const ManageOptions& options) {
  validate(options.role);
  ManageParts parts;
  if (!options.role.server_url.empty()) {
    if (!options.bundle.empty() || !options.run.empty())
      throw UsageError("server-url excludes bundle and run: the server has the model");
    return parts;
  }
  const auto load = [role = options.role, device = options.device](const fs::path& folder, const std::string& id) {
    const auto bundle = std::make_shared<Bundle>(load_bundle(folder));
    if (!id.empty()) bundle->name = id;
    log_info("bundle {} ({})", bundle->name, folder.string());
    if (!role.budget.empty()) log_info("{}", take_budget(*bundle, role.budget).in_words);
    if (!bundle->threshold() && !role.threshold)
      log_warning("the bundle has no limit: rows are scored, none is called an anomaly (anomctl evaluate sets one)");
    JudgingModel judging{bundle, open_model(*bundle, device)};
    self_test(*bundle, *judging.model);
    return judging;
  };
  JudgingModel judging;
  if (options.role.model.empty()) {
    judging = load(choose_bundle(options.bundle, options.run, options.tracking).folder, "");
  } else {
    if (!options.bundle.empty() || !options.run.empty())
      throw UsageError("model excludes bundle and run: give one of them");
    const auto feed =
        std::make_shared<ModelFeed>(options.tracking, options.role.model, options.role.follow,
                                    [load](const FollowedModel& found) { return load(found.folder, found.id()); });
    judging = feed->first();
    parts.next_model = [feed] { return feed->take(); };
  }
  parts.bundle = judging.bundle;
  parts.model = judging.model;
  return parts;
}

namespace {

std::string alert_line(const Episode& episode) {
  const char* what = episode.kind == "sensor_fault" ? "SENSOR" : episode.kind == "no_data" ? "SILENT" : "ALERT ";
  if (episode.closed)
    return fmt::format("{}  over   {}  {} rows since {}", format_stamp(episode.end), episode.asset, episode.rows,
                       format_stamp(episode.start));
  return fmt::format("{}  {} {}  {}", format_stamp(episode.start), what, episode.asset, episode.reason);
}

int run(const ManageOptions& given, Context& context) {
  ManageOptions options = given;
  take_threshold(options);
  Heartbeat heartbeat(options.heartbeat);
  ManageParts parts = manage_parts(options);
  parts.on_ready = [&](const std::string& client_id) { context.text(fmt::format("ready as {}", client_id)); };
  const bool replays = !options.role.replay.empty();
  if (replays)
    parts.on_message = [&](const std::string& topic, const std::string& payload) {
      context.text(topic + "\t" + payload);
    };
  else
    parts.on_episode = [&](const Episode& episode) { context.text(alert_line(episode)); };
  heartbeat.attach(parts);
  const ManageCounts counts = run_manage(options.role, parts, context.stop().token());
  context.result["messages"] = counts.messages;
  context.result["unreadable"] = counts.unreadable;
  context.result["left_out"] = counts.left_out;
  context.result["rows"] = counts.rows;
  for (const auto& [name, n] :
       std::initializer_list<std::pair<const char*, std::int64_t>>{{"readings", counts.readings},
                                                                   {"duplicates", counts.duplicates},
                                                                   {"conflicting", counts.conflicting},
                                                                   {"late", counts.late},
                                                                   {"set_back", counts.set_back},
                                                                   {"skewed", counts.skewed},
                                                                   {"crowded", counts.crowded},
                                                                   {"idle", counts.idle},
                                                                   {"silent", counts.silent},
                                                                   {"faulty", counts.faulty},
                                                                   {"gaps", counts.gaps},
                                                                   {"muted_verdicts", counts.muted_verdicts},
                                                                   {"muted_alerts", counts.muted_alerts},
                                                                   {"notified", counts.notified},
                                                                   {"not_notified", counts.not_notified},
                                                                   {"stored", counts.stored},
                                                                   {"not_stored", counts.not_stored},
                                                                   {"influx_written", counts.influx_written},
                                                                   {"influx_dropped", counts.influx_dropped}})
    context.result[name] = n;
  context.result["verdicts"] = counts.verdicts;
  context.result["anomalous"] = counts.anomalous;
  context.result["episodes"] = counts.episodes;
  context.result["assets"] = counts.assets;
  context.result["all_published"] = counts.all_published;
  context.result["repeated"] = counts.repeated;
  context.result["missing"] = counts.missing;
  context.result["dropped"] = counts.dropped;
  context.result["lost"] = counts.lost;
  context.result["kept"] = counts.kept;
  if (replays) return context.stop().exit_code(0);
  context.text(fmt::format("{} readings of {} assets judged, {} over the limit, {} alerts; {} unreadable",
                           counts.verdicts, counts.assets, counts.anomalous, counts.episodes, counts.unreadable));
  if (counts.kept > 0)
    log_warning("{} verdicts and alerts wait in {} for the next start", counts.kept, options.role.state_dir.string());
  else if (!counts.all_published && counts.verdicts > 0)
    throw failed("the broker did not acknowledge every verdict");
  return context.stop().exit_code(0);
}

}  // namespace

CommandSpec manage_command() {
  return make_command<ManageOptions>(
      "manage", "Live", "Judge readings from an MQTT broker, publish verdicts and alerts",
      {"anomctl manage --bundle bundles/pump",
       "anomctl manage --run -1 --mqtt-url mqtts://broker:8883 --mqtt-user manager --mqtt-pass-file word --state-dir "
       "state",
       "anomctl manage --model pump@champion --tracking-uri http://127.0.0.1:5000",
       "anomctl manage --server-url http://127.0.0.1:8080 --topic-sensor +"},
      run);
}

}  // namespace anomctl
