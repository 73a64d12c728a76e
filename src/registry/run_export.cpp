#include "anomctl/registry/run_export.h"

#include <map>

#include "anomctl/io/tracking/mlflow_database.h"
#include "registry/file_run_store.h"
#include "registry/run_meta.h"

namespace anomctl {

RunExport export_runs(const TrackingSettings& settings, const std::string& run, const fs::path& output) {
  const auto store = open_local_run_store(tracking_folder(settings.local().tracking_uri), system_clock());
  std::vector<RunInfo> runs = store->list();
  if (!run.empty()) runs = {find_run(runs, run, store->root().string())};
  RunExport done;
  MlflowDatabase database(output);
  std::map<std::string, std::int64_t> experiments;
  for (const RunInfo& info : runs) {
    if (!experiments.contains(info.experiment))
      experiments[info.experiment] =
          database.add_experiment(info.experiment, file_uri(info.artifacts.parent_path().parent_path()));
    MlflowRun out;
    out.id = info.id;
    out.name = info.name;
    out.status = info.status;
    out.artifact_uri = file_uri(info.artifacts);
    out.start_ms = info.start / kMillisecond;
    out.end_ms = info.end / kMillisecond;
    out.params = info.params;
    out.tags = info.tags;
    out.tags["mlflow.runName"] = info.name;
    out.user = info.tags.contains("mlflow.user") ? info.tags.at("mlflow.user") : "";
    std::vector<MlflowMetric> points;
    for (const auto& [key, last] : info.metrics)
      for (const MetricPoint& point : store->history(info, key))
        points.push_back({key, point.value, point.time / kMillisecond, point.step});
    database.add_run(out, experiments[info.experiment], points);
    ++done.runs;
    done.points += static_cast<std::int64_t>(points.size());
  }
  database.finish();
  return done;
}

}  // namespace anomctl
