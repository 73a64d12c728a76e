// Writes a new MLflow tracking database (SQLite) that every MLflow from 1.0 on takes over with `mlflow db upgrade`: it
// has the few tables of the schema's revision 181f10493468 (2019), from which MLflow's own migrations lead to the schema
// of each later version. Thread rule: one thread an object.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "anomctl/io/tracking/mlflow_client.h"

namespace anomctl {

class MlflowDatabase {
 public:
  // Throws Error(failed) where there is a file already or it cannot be written.
  explicit MlflowDatabase(const fs::path& path);
  ~MlflowDatabase();  // without finish: the file is removed
  MlflowDatabase(const MlflowDatabase&) = delete;
  MlflowDatabase& operator=(const MlflowDatabase&) = delete;

  // The database's number for it. "Default" is there already, as 0.
  std::int64_t add_experiment(const std::string& name, const std::string& artifact_uri);
  // `run.metrics` is not looked at, `points` are.
  void add_run(const MlflowRun& run, std::int64_t experiment, const std::vector<MlflowMetric>& points);
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anomctl
