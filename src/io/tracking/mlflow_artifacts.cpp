// Artifacts of an MLflow server, by its proxy.
#include <fmt/format.h>

#include "anomctl/core/error.h"
#include "anomctl/io/tracking/mlflow_client.h"
#include "io/tracking/mlflow_json.h"

namespace anomctl {
namespace {

constexpr const char* kFiles = "/api/2.0/mlflow-artifacts/artifacts";
constexpr int kDeepest = 24;  // folders of artifacts
constexpr std::size_t kMostFiles = 100'000;

// mlflow-artifacts:/1/abc/artifacts and mlflow-artifacts://host/1/abc/artifacts -> "1/abc/artifacts".
std::string proxied_path(const std::string& uri) {
  constexpr std::string_view kScheme = "mlflow-artifacts:/";
  std::string path;
  if (uri.starts_with(kScheme)) {
    path = uri.substr(kScheme.size());
    if (path.starts_with('/')) {  // an authority
      const std::size_t slash = path.find('/', 1);
      path = slash == std::string::npos ? "" : path.substr(slash + 1);
    }
  }
  if (!is_inner_path(path))
    throw failed("the tracking server keeps artifacts at '" + uri +
                 "' and does not hand them on itself: start it with --artifacts-destination, or without "
                 "--no-serve-artifacts");
  return path;
}

std::string escaped_path(const std::string& path) {
  std::string out;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    out += "/" + percent_encode(std::string_view(path).substr(at, slash - at));
    at = slash + 1;
  }
  return out;
}

}  // namespace

bool is_inner_path(const std::string& path) {
  if (path.empty() || path.front() == '/' || path.back() == '/' || path.find('\0') != std::string::npos ||
      path.find('\\') != std::string::npos)
    return false;
  for (const fs::path& part : fs::path(path))
    if (part == "." || part == ".." || part.empty()) return false;
  return path.find("//") == std::string::npos;
}

std::map<std::string, std::uint64_t> MlflowClient::artifacts(const std::string& artifact_uri) {
  const std::string root = proxied_path(artifact_uri);
  std::map<std::string, std::uint64_t> found;
  std::vector<std::pair<std::string, int>> folders = {{"", 0}};
  while (!folders.empty()) {
    const auto [folder, depth] = folders.back();
    folders.pop_back();
    const std::string path = folder.empty() ? root : root + "/" + folder;
    const HttpResponse response = send("GET", std::string(kFiles) + "?path=" + percent_encode(path), {}, nullptr);
    if (response.status == 404) continue;
    if (response.status != 200) refuse(response, "to list artifacts");
    for (const tracking::File& file : tracking::files_of(response.body)) {
      const std::string inner = folder.empty() ? file.path : folder + "/" + file.path;
      if (!is_inner_path(inner)) throw failed("the tracking server " + url_ + " lists '" + inner + "' among artifacts");
      if (!file.is_folder)
        found[inner] = file.size;
      else if (depth < kDeepest)
        folders.emplace_back(inner, depth + 1);
      if (found.size() + folders.size() > kMostFiles)
        throw failed(fmt::format("the tracking server {} lists more than {} artifacts", url_, kMostFiles));
    }
  }
  return found;
}

void MlflowClient::put_artifact(const std::string& artifact_uri, const std::string& path, const fs::path& file) {
  HttpFiles files;
  files.upload = file;
  const HttpResponse response = send("PUT", kFiles + escaped_path(proxied_path(artifact_uri) + "/" + path), {}, &files);
  if (response.status / 100 != 2) refuse(response, "artifact " + path);
}

void MlflowClient::get_artifact(const std::string& artifact_uri, const std::string& path, const fs::path& file) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  HttpFiles files;
  files.download = file.string() + ".part-" + random_hex(4);
  try {
    const HttpResponse response =
        send("GET", kFiles + escaped_path(proxied_path(artifact_uri) + "/" + path), {}, &files);
    if (response.status / 100 != 2) refuse(response, "artifact " + path);
    fs::rename(files.download, file, error);
    if (error) throw failed("cannot write " + file.string() + ": " + error.message());
  } catch (...) {
    fs::remove(files.download, error);
    throw;
  }
}

}  // namespace anomctl
