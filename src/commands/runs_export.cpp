#include <fmt/format.h>

#include "anomctl/registry/run_export.h"
#include "commands/runs.h"

namespace anomctl {
namespace {

int run_export(const RunsExportOptions& options, Context& context) {
  const RunExport done = export_runs(options.tracking, options.run, options.output);
  context.result["output"] = options.output.string();
  context.result["runs"] = done.runs;
  context.result["points"] = done.points;
  const std::string uri = "sqlite:///" + fs::absolute(options.output).lexically_normal().string();
  context.text(fmt::format("{} runs with {} points of metrics: {}", done.runs, done.points, options.output.string()));
  context.text(fmt::format("next: mlflow db upgrade {0} && mlflow server --backend-store-uri {0}", uri));
  return 0;
}

}  // namespace

CommandSpec runs_export_command() {
  return make_command<RunsExportOptions>("runs export", "Data and models",
                                         "Write tracked runs as a database that MLflow of any version takes over",
                                         {"anomctl runs export --output mlflow.db"}, run_export);
}

}  // namespace anomctl
