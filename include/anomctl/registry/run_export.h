// Tracked runs as a database for MLflow. Thread rule: a free function.
#pragma once

#include <cstdint>

#include "anomctl/registry/run_store.h"

namespace anomctl {

struct RunExport {
  std::int64_t runs = 0, points = 0;
};
// All runs of the folder (`tracking_dir` where a server is named) into a new SQLite file, of one run when it is named.
// Artifacts stay where they are. A newer MLflow reads it after `mlflow db upgrade sqlite:///FILE`.
RunExport export_runs(const TrackingSettings& settings, const std::string& run, const fs::path& output);

}  // namespace anomctl
