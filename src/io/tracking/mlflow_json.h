// Bodies of MLflow's REST API. Private to io/tracking. Thread rule: free functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "anomctl/io/tracking/mlflow_client.h"

namespace anomctl::tracking {

// A text or number member as text; empty when absent.
std::string text_of(const Json& object, std::string_view key);

struct MlflowRefusal {
  std::string code, message;  // empty where the body is no JSON of MLflow
};
// What a server says may go to a log: `secrets`, which we said to it, are not in it.
MlflowRefusal refusal_of(const std::string& body, const std::vector<std::string>& secrets = {});

// Throw Error(bad_input).
MlflowRun run_of(const Json& run);
MlflowMetric metric_of(const Json& metric);

struct File {
  std::string path;
  bool is_folder = false;
  std::uint64_t size = 0;
};
std::vector<File> files_of(const std::string& body);

// [{"key","value"}], values cut to `max_bytes`.
Json pairs_json(const MlflowPairs& pairs, std::size_t max_bytes);
// The batch in bodies that keep to the limits: 1000 metrics, 100 params, 100 tags, 1000 items, 1 MB.
std::vector<Json> batch_bodies(const std::string& run_id, const MlflowBatch& batch);
// At most so many bytes, whole characters of UTF-8.
std::string cut(const std::string& text, std::size_t max_bytes);

}  // namespace anomctl::tracking
