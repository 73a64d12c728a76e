// How a tracking server is spoken to, and where what comes from it is kept.
#include <algorithm>
#include <cstdlib>

#include "anomctl/core/error.h"
#include "anomctl/detection/bundle.h"
#include "registry/server_run_store.h"

namespace anomctl {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

MlflowAccess tracking_access(const TrackingSettings& settings) {
  MlflowAccess access;
  access.token = settings.tracking_token;
  access.user = settings.tracking_username;
  access.password = settings.tracking_password;
  access.ca_file = settings.tracking_ca_file;
  access.timeout = settings.tracking_timeout;
  access.stop = settings.stop;
  if (access.token.empty() && access.user.empty()) {
    access.token = environment("MLFLOW_TRACKING_TOKEN");
    if (access.token.empty()) access.user = environment("MLFLOW_TRACKING_USERNAME");
  }
  if (access.password.empty()) access.password = environment("MLFLOW_TRACKING_PASSWORD");
  if (access.ca_file.empty()) access.ca_file = environment("MLFLOW_TRACKING_SERVER_CERT_PATH");
  return access;
}

fs::path tracking_cache(const TrackingSettings& settings) {
  if (!settings.tracking_cache.empty()) return settings.tracking_cache;
  if (const std::string folder = environment("XDG_CACHE_HOME"); !folder.empty())
    return fs::path(folder) / "anomctl" / "tracking";
  if (const std::string home = environment("HOME"); !home.empty())
    return fs::path(home) / ".cache" / "anomctl" / "tracking";
  throw UsageError("there is no HOME to keep fetched bundles below: give --tracking-cache DIR");
}

fs::path server_cache(const TrackingSettings& settings) {
  return tracking_cache(settings) / sha256_hex(without_slash(settings.tracking_uri)).substr(0, 16);
}

fs::path cached_versions(const TrackingSettings& settings) { return server_cache(settings) / "models"; }

void fetch_artifacts(MlflowClient& client, const std::string& artifact_uri, const std::string& path,
                     const fs::path& folder) {
  const std::string front = path + "/";
  std::vector<std::string> names;
  for (const auto& [name, size] : client.artifacts(artifact_uri))
    if (name == path || name.starts_with(front)) names.push_back(name);
  // The hashes that bundle.json names are checked by who loads the bundle; it comes last, so that a fetch that was cut
  // short leaves none.
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    const bool a_last = a.ends_with(kBundleFile), b_last = b.ends_with(kBundleFile);
    return a_last != b_last ? b_last : a < b;
  });
  for (const std::string& name : names) {
    const fs::path file = folder / name, fresh = file.string() + ".fetched";
    client.get_artifact(artifact_uri, name, fresh);
    std::error_code error;
    if (fs::exists(file, error) && sha256_file(file) == sha256_file(fresh))
      fs::remove(fresh, error);
    else
      fs::rename(fresh, file, error);
    if (error) throw failed("cannot write " + file.string() + ": " + error.message());
  }
}

}  // namespace anomctl
