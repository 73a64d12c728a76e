// An MLflow tracking server by its REST API: experiments, runs, artifacts by its proxy. Thread rule: one thread an
// object; calls block; `cancel` is safe from any thread. Source: https://mlflow.org/docs/latest/rest-api.html, and what
// MLflow 3.3.2 answers. Calls throw Error(unreachable) where nobody answers in time or the server has trouble (429, 5xx),
// Error(failed) with the server's words where it refuses.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/core/json.h"
#include "anomctl/core/time.h"
#include "anomctl/io/net/http_client.h"

namespace anomctl {

struct MlflowAccess {
  std::string token;           // sent as a bearer token
  std::string user, password;  // else basic authentication
  fs::path ca_file;
  Duration timeout = seconds(30);
  std::stop_token stop;  // as `cancel`
};

struct MlflowMetric {
  std::string key;
  double value = 0;
  std::int64_t time_ms = 0, step = 0;
};
using MlflowPairs = std::vector<std::pair<std::string, std::string>>;
struct MlflowBatch {
  std::vector<MlflowMetric> metrics;
  MlflowPairs params, tags;
  bool empty() const { return metrics.empty() && params.empty() && tags.empty(); }
};

struct MlflowRun {
  std::string id, experiment_id, name, status, artifact_uri, user;
  std::int64_t start_ms = 0, end_ms = 0;
  bool deleted = false;
  std::map<std::string, std::string> params, tags;
  std::map<std::string, double> metrics;  // the last value of each
};

struct MlflowNewRun {
  std::string experiment_id, name, user;
  std::int64_t start_ms = 0;
  MlflowPairs tags;
};

// Server limits; longer values are cut at the border of a character.
inline constexpr std::size_t kMlflowParamBytes = 6000, kMlflowTagBytes = 8000;

class MlflowClient {
 public:
  // `url`: http(s)://host[:port][/path]. Throws UsageError.
  MlflowClient(const std::string& url, const MlflowAccess& access);

  // Id -> name of the active ones.
  std::map<std::string, std::string> experiments();
  // The id of the active experiment of that name, which is made where it is not there.
  std::string make_experiment(const std::string& name);

  MlflowRun create_run(const MlflowNewRun& run);
  void update_run(const std::string& run_id, const std::string& status, std::int64_t end_ms);
  std::optional<MlflowRun> find_run(const std::string& run_id);
  // Active runs that the filter lets through, newest first.
  std::vector<MlflowRun> search_runs(const std::vector<std::string>& experiment_ids, const std::string& filter = {});
  // All points in the order of the server.
  std::vector<MlflowMetric> history(const std::string& run_id, const std::string& key);
  // Any number of items, in as many calls as the server's limits ask for.
  void log_batch(const std::string& run_id, const MlflowBatch& batch);

  // Files below an artifact URI (mlflow-artifacts:/…), relative to it, with their sizes. Throws Error(failed) for
  // artifacts that the server does not hand on itself.
  std::map<std::string, std::uint64_t> artifacts(const std::string& artifact_uri);
  void put_artifact(const std::string& artifact_uri, const std::string& path, const fs::path& file);
  // `file` is replaced when all of it has come.
  void get_artifact(const std::string& artifact_uri, const std::string& path, const fs::path& file);

  void cancel() { http_.cancel(); }

  // For the other calls of the API: `path` below /api/2.0/mlflow/. Nothing where the server has no such thing
  // (RESOURCE_DOES_NOT_EXIST).
  std::optional<Json> ask(const std::string& method, const std::string& path, const Json& body = {});
  // The same, and not having it is an error.
  Json call(const std::string& method, const std::string& path, const Json& body = {});
  // Whether the last refusal said RESOURCE_ALREADY_EXISTS.
  bool existed() const { return existed_; }

 private:
  HttpResponse send(const std::string& method, const std::string& target, const Json& body, const HttpFiles* files);
  [[noreturn]] void refuse(const HttpResponse& response, const std::string& what);

  std::string url_;
  std::vector<std::string> secrets_;  // as they are sent
  HttpClient http_;
  bool existed_ = false;
  std::stop_callback<std::function<void()>> on_stop_;  // the last: ends before what it calls
};

// Whether a name of the server may become a path below a folder of ours: relative, no "..", no empty part.
bool is_inner_path(const std::string& path);

}  // namespace anomctl
