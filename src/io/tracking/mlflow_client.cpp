#include "anomctl/io/tracking/mlflow_client.h"

#include <fmt/format.h>

#include "anomctl/core/error.h"
#include "io/tracking/mlflow_json.h"

namespace anomctl {
namespace {

using tracking::run_of;
using tracking::text_of;

constexpr const char* kApi = "/api/2.0/mlflow/";
constexpr const char* kFiles = "/api/2.0/mlflow-artifacts/artifacts";
constexpr std::size_t kPages = 10'000;  // a server that always names a next page
constexpr std::int64_t kRunsAPage = 1000, kPointsAPage = 25'000;
constexpr int kDeepest = 24;  // folders of artifacts
constexpr std::size_t kMostFiles = 100'000;

std::string base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j)
      bits = bits << 8 | (i + j < text.size() ? static_cast<unsigned char>(text[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) out += i + j > text.size() ? '=' : kDigits[bits >> (18 - 6 * j) & 63];
  }
  return out;
}

HttpClientSettings http_settings(const MlflowAccess& access) {
  HttpClientSettings http;
  http.ca_file = access.ca_file;
  http.timeout = access.timeout;
  http.max_body_bytes = 64 * kMiB;
  return http;
}

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

MlflowClient::MlflowClient(const std::string& url, const MlflowAccess& access)
    : url_(url), http_(url, http_settings(access)) {
  if (!access.token.empty())
    http_.headers.set("authorization", "Bearer " + access.token);
  else if (!access.user.empty())
    http_.headers.set("authorization", "Basic " + base64(access.user + ":" + access.password));
}

HttpResponse MlflowClient::send(const std::string& method, const std::string& target, const Json& body,
                                const HttpFiles* files) {
  HttpRequest request;
  request.method = method;
  request.target = target;
  if (files != nullptr && !files->upload.empty()) {
    request.headers.add("content-type", "application/octet-stream");
  } else if (!body.is_null()) {
    request.headers.add("content-type", "application/json");
    request.body = body.dump();
  }
  HttpResponse response = files != nullptr ? http_.transfer(request, *files) : http_.send(request);
  if (response.status == 429 || response.status >= 500)
    throw unreachable_error(fmt::format("the tracking server {} is in trouble: it answers {} {}", url_, response.status,
                                        http_reason(response.status)));
  if (response.status == 401 || response.status == 403)
    throw failed(
        fmt::format("the tracking server {} answers {}: give --tracking-token-file, or --tracking-username and "
                    "--tracking-password-file, of somebody who may do this",
                    url_, response.status));
  return response;
}

void MlflowClient::refuse(const HttpResponse& response, const std::string& what) {
  const tracking::MlflowRefusal refusal = tracking::refusal_of(response.body);
  existed_ = refusal.code == "RESOURCE_ALREADY_EXISTS";
  throw failed(fmt::format("the tracking server {} refuses {}: {} {}", url_, what, response.status,
                           refusal.message.empty() ? std::string(http_reason(response.status)) : refusal.message));
}

std::optional<Json> MlflowClient::ask(const std::string& method, const std::string& path, const Json& body) {
  existed_ = false;
  const HttpResponse response = send(method, kApi + path, body, nullptr);
  if (response.status / 100 == 2) {
    Json answer = Json::parse(response.body, "the answer of " + url_ + kApi + path);
    if (!answer.is_object()) throw failed(url_ + " is no MLflow server: " + path + " is answered with no JSON object");
    return answer;
  }
  if (response.status == 404 && tracking::refusal_of(response.body).code == "RESOURCE_DOES_NOT_EXIST") return {};
  if (response.status == 404 && tracking::refusal_of(response.body).code.empty())
    throw failed(fmt::format("{} is no MLflow server, or one too old: it has no {}{}", url_, kApi, path));
  refuse(response, path);
}

Json MlflowClient::call(const std::string& method, const std::string& path, const Json& body) {
  if (auto answer = ask(method, path, body)) return std::move(*answer);
  throw failed(fmt::format("the tracking server {} does not have what {} asks for", url_, path));
}

std::map<std::string, std::string> MlflowClient::experiments() {
  std::map<std::string, std::string> found;
  std::string page;
  for (std::size_t i = 0; i < kPages; ++i) {
    Json body = Json::object();
    body["max_results"] = kRunsAPage;
    if (!page.empty()) body["page_token"] = page;
    const Json answer = call("POST", "experiments/search", body);
    if (const Json* list = answer.find("experiments"); list != nullptr && list->is_array())
      for (const Json& item : list->as_array()) found[text_of(item, "experiment_id")] = text_of(item, "name");
    page = text_of(answer, "next_page_token");
    if (page.empty()) break;
  }
  return found;
}

std::string MlflowClient::make_experiment(const std::string& name) {
  // Twice, for another may make it between the two calls.
  for (int attempt = 0;; ++attempt) {
    if (const auto found = ask("GET", "experiments/get-by-name?experiment_name=" + percent_encode(name))) {
      const Json* experiment = found->find("experiment");
      const std::string id = experiment != nullptr ? text_of(*experiment, "experiment_id") : "";
      if (id.empty()) throw failed("the tracking server " + url_ + " names no experiment_id");
      if (text_of(*experiment, "lifecycle_stage") == "deleted")
        throw failed(
            fmt::format("experiment {} was deleted on {}: restore it there (mlflow experiments restore)", name, url_));
      return id;
    }
    Json body = Json::object();
    body["name"] = name;
    try {
      return text_of(call("POST", "experiments/create", body), "experiment_id");
    } catch (const Error&) {
      if (!existed_ || attempt > 0) throw;
    }
  }
}

MlflowRun MlflowClient::create_run(const MlflowNewRun& run) {
  Json body = Json::object();
  body["experiment_id"] = run.experiment_id;
  body["user_id"] = run.user;
  body["run_name"] = run.name;
  body["start_time"] = run.start_ms;
  body["tags"] = tracking::pairs_json(run.tags, kMlflowTagBytes);
  return run_of(call("POST", "runs/create", body).at("run"));
}

void MlflowClient::update_run(const std::string& run_id, const std::string& status, std::int64_t end_ms) {
  Json body = Json::object();
  body["run_id"] = run_id;
  body["status"] = status;
  if (end_ms > 0) body["end_time"] = end_ms;
  call("POST", "runs/update", body);
}

std::optional<MlflowRun> MlflowClient::find_run(const std::string& run_id) {
  const auto found = ask("GET", "runs/get?run_id=" + percent_encode(run_id));
  return found ? std::optional(run_of(found->at("run"))) : std::nullopt;
}

std::vector<MlflowRun> MlflowClient::search_runs(const std::vector<std::string>& experiment_ids,
                                                 const std::string& filter) {
  std::vector<MlflowRun> runs;
  if (experiment_ids.empty()) return runs;
  std::string page;
  for (std::size_t i = 0; i < kPages; ++i) {
    Json body = Json::object();
    body["experiment_ids"] = Json(experiment_ids);
    if (!filter.empty()) body["filter"] = filter;
    body["max_results"] = kRunsAPage;
    body["order_by"] = Json::Array{"attributes.start_time DESC"};
    if (!page.empty()) body["page_token"] = page;
    const Json answer = call("POST", "runs/search", body);
    if (const Json* list = answer.find("runs"); list != nullptr && list->is_array())
      for (const Json& item : list->as_array()) runs.push_back(run_of(item));
    page = text_of(answer, "next_page_token");
    if (page.empty()) break;
  }
  return runs;
}

std::vector<MlflowMetric> MlflowClient::history(const std::string& run_id, const std::string& key) {
  std::vector<MlflowMetric> points;
  std::string page;
  for (std::size_t i = 0; i < kPages; ++i) {
    std::string path = fmt::format("metrics/get-history?run_id={}&metric_key={}&max_results={}", percent_encode(run_id),
                                   percent_encode(key), kPointsAPage);
    if (!page.empty()) path += "&page_token=" + percent_encode(page);
    const auto answer = ask("GET", path);
    if (!answer) break;
    if (const Json* list = answer->find("metrics"); list != nullptr && list->is_array())
      for (const Json& item : list->as_array()) points.push_back(tracking::metric_of(item));
    page = text_of(*answer, "next_page_token");
    if (page.empty()) break;
  }
  return points;
}

void MlflowClient::log_batch(const std::string& run_id, const MlflowBatch& batch) {
  for (const Json& body : tracking::batch_bodies(run_id, batch)) call("POST", "runs/log-batch", body);
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
