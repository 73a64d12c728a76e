// The run store of a tracking server: written here first, sent by a thread, read from the server. Private to registry.
// Thread rule: that of RunStore.
#pragma once

#include <memory>

#include "anomctl/io/tracking/mlflow_client.h"
#include "registry/file_run_store.h"

namespace anomctl {

// A server's milliseconds as a time; it may say any number.
Nanoseconds time_of_ms(std::int64_t ms);
// As the run's notes name a server.
std::string without_slash(std::string url);
// Settings and MLflow's environment variables.
MlflowAccess tracking_access(const TrackingSettings& settings);
// Below it, a folder a server. Throws UsageError where there is no folder for a cache.
fs::path tracking_cache(const TrackingSettings& settings);
// The cache's folder of the server, and of its registered models in it.
fs::path server_cache(const TrackingSettings& settings);
fs::path cached_versions(const TrackingSettings& settings);
std::unique_ptr<RunStore> open_server_run_store(const TrackingSettings& settings, const Clock& clock);

// The artifact `path`, a file or all below a folder, to folder/path; what is there and the same stays as it is, also its
// time.
void fetch_artifacts(MlflowClient& client, const std::string& artifact_uri, const std::string& path,
                     const fs::path& folder);

}  // namespace anomctl
