// Tracked runs, in MLflow's file store layout, so that the `mlflow` client and its page read them as their own; with a
// tracking server also there. Thread rule: one thread an object; several processes may write below one folder at the
// same time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/core/time.h"
#include "anomctl/registry/tracking_settings.h"

namespace anomctl {

struct RunInfo {
  std::string id;  // 32 hex characters
  std::string name;
  std::string experiment;          // "<dataset>_training"
  std::string status;              // RUNNING SCHEDULED FINISHED FAILED KILLED
  Nanoseconds start = 0, end = 0;  // end 0: not ended
  fs::path artifacts;              // local folder; of a run that only the server has, where `fetch` puts them
  std::map<std::string, std::string> params, tags;
  std::map<std::string, double> metrics;  // the last value of each
};

// One value of a metric over the course of a run.
struct MetricPoint {
  Nanoseconds time = 0;  // whole milliseconds
  double value = 0;
  std::int64_t step = 0;
};

// One run being written. Keys may hold letters, digits, "_-. :/"; anything else, and a parameter that is given a
// second, different value, throws Error(failed).
class Run {
 public:
  // A run made by `create` that goes without `finish` (an exception) becomes FAILED; one that was opened stays as it
  // is.
  virtual ~Run() = default;
  virtual const RunInfo& info() const = 0;
  virtual void log_param(const std::string& key, const std::string& value) = 0;
  virtual void log_metric(const std::string& key, double value, std::int64_t step) = 0;
  virtual void set_tag(const std::string& key, const std::string& value) = 0;
  // Copies `file`, or a folder with all it holds, to artifacts/<path>. An empty path keeps the file's name.
  virtual void log_artifact(const fs::path& file, const std::string& path) = 0;
  virtual void finish(const std::string& status) = 0;
};

class RunStore {
 public:
  virtual ~RunStore() = default;
  // An empty run_name gives a random one, such as "calm-turbine-412".
  virtual std::unique_ptr<Run> create(const std::string& experiment, const std::string& run_name) = 0;
  // Goes on writing to a run that exists (evaluate adds metrics and artifacts).
  virtual std::unique_ptr<Run> open(const std::string& run_id) = 0;
  // Newest first; of one experiment when it is named.
  virtual std::vector<RunInfo> list(const std::string& experiment = {}) = 0;
  // An id, a prefix of one (at least 6 characters), a name (the newest of that name), or -1, -2 ... for the latest, the
  // one before. Throws UsageError.
  virtual RunInfo find(const std::string& reference, const std::string& experiment = {}) = 0;
  // The local path of artifacts/<path>, a file or folder, which may not be there. From a server it is brought here first
  // where it is not here or was replaced there.
  virtual fs::path fetch(const RunInfo& run, const std::string& path) = 0;
  // Relative names of all artifacts, in order.
  virtual std::vector<std::string> artifacts(const RunInfo& run) = 0;
  // All points of a metric in the order they were written; none for a metric that the run does not have.
  virtual std::vector<MetricPoint> history(const RunInfo& run, const std::string& metric) = 0;
};

// A tag of runs on a server: the id of the run here.
inline constexpr const char* kLocalRunTag = "anomctl.local_run_id";

// `tracking_uri`: a folder or file:///... (made when it is not there and a run is created), or http(s)://... of a
// tracking server. With a server a run is written below `tracking_dir` first, and what the server lacks of it is sent by
// a thread: no trouble of the server's stops or holds up who writes. Throws UsageError for anything else.
std::unique_ptr<RunStore> open_run_store(const TrackingSettings& settings, const Clock& clock = system_clock());
// With the defaults.
std::unique_ptr<RunStore> open_run_store(const std::string& uri, const Clock& clock = system_clock());

}  // namespace anomctl
