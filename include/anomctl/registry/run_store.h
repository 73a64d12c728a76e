// Tracked runs, in MLflow's file store layout (or, by URI, on an MLflow server).
// Thread rule: one thread an object.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/core/time.h"

namespace anomctl {

struct RunInfo {
  std::string id;          // 32 hex characters
  std::string name;
  std::string experiment;  // "<dataset>_training"
  std::string status;      // RUNNING FINISHED FAILED KILLED
  Nanoseconds start = 0, end = 0;
  fs::path artifacts;      // local folder
  std::map<std::string, std::string> params, tags;
  std::map<std::string, double> metrics;  // the last value of each
};

// One run being written.
class Run {
 public:
  virtual ~Run() = default;
  virtual const RunInfo& info() const = 0;
  virtual void log_param(const std::string& key, const std::string& value) = 0;
  virtual void log_metric(const std::string& key, double value, std::int64_t step) = 0;
  virtual void set_tag(const std::string& key, const std::string& value) = 0;
  // Copies `file` to artifacts/<path>.
  virtual void log_artifact(const fs::path& file, const std::string& path) = 0;
  virtual void finish(const std::string& status) = 0;
};

class RunStore {
 public:
  virtual ~RunStore() = default;
  virtual std::unique_ptr<Run> create(const std::string& experiment, const std::string& run_name) = 0;
  // Goes on writing to a run that exists (evaluate adds metrics and artifacts).
  virtual std::unique_ptr<Run> open(const std::string& run_id) = 0;
  virtual std::vector<RunInfo> list() = 0;  // newest first
  // An id, a prefix of one (at least 6 characters), a name, or -1, -2 ... for the latest, the one before. Throws UsageError.
  virtual RunInfo find(const std::string& reference) = 0;
};

// `uri`: a folder, file:///..., or http(s)://... Throws UsageError for anything else.
std::unique_ptr<RunStore> open_run_store(const std::string& uri);

}  // namespace anomctl
