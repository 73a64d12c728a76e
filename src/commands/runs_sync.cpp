#include <fmt/format.h>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/registry/run_sync.h"
#include "commands/runs.h"

namespace anomctl {
namespace {

int run_sync(const RunsSyncOptions& options, Context& context) {
  const std::stop_token stop = context.stop().token();
  SyncReport report;
  try {
    report = sync_runs(options.tracking, options.run, stop);
  } catch (const Error& error) {
    if (!stop.stop_requested() || error.code() != ExitCode::unreachable) throw;
    throw Error(ExitCode::unreachable, "stopped: anomctl runs sync would send what is not sent yet", error.what());
  }
  Json list = Json::array();
  std::int64_t sent = 0, troubles = 0;
  for (const SyncedRun& done : report) {
    Json item = Json::object();
    item["id"] = done.run.id;
    item["name"] = done.run.name;
    item["server_id"] = done.server_id.empty() ? Json() : Json(done.server_id);
    item["values"] = done.values;
    item["points"] = done.points;
    item["artifacts"] = done.artifacts;
    item["trouble"] = done.trouble.empty() ? Json() : Json(done.trouble);
    list.push_back(std::move(item));
    troubles += !done.trouble.empty();
    if (!done.trouble.empty()) {
      log_warning("run {}: {}", done.run.name, done.trouble);
    } else if (done.values + done.points + done.artifacts > 0) {
      ++sent;
      context.text(fmt::format("{:<24} {} parameters and tags, {} points of metrics, {} files", done.run.name,
                               done.values, done.points, done.artifacts));
    }
  }
  context.text(fmt::format("{} runs, {} of them had something to send", report.size(), sent));
  context.result["runs"] = std::move(list);
  return context.stop().exit_code(troubles > 0 ? static_cast<int>(ExitCode::failed) : 0);
}

}  // namespace

CommandSpec runs_sync_command() {
  return make_command<RunsSyncOptions>(
      "runs sync", "Data and models", "Send what a tracking server lacks of the runs here",
      {"anomctl runs sync --tracking-uri http://127.0.0.1:5000", "anomctl runs sync -1 --tracking-uri https://mlflow"},
      run_sync);
}

}  // namespace anomctl
