#include "anomctl/io/tracking/mlflow_client.h"

#include <fmt/format.h>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/io/tracking/mlflow_pages.h"
#include "io/tracking/mlflow_json.h"

namespace anomctl {
namespace {

using tracking::run_of;
using tracking::text_of;

constexpr const char* kApi = "/api/2.0/mlflow/";
constexpr std::int64_t kRunsAPage = 1000, kPointsAPage = 25'000;

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

// One that makes no sense does not hide the others.
bool add_run(const Json& item, std::vector<MlflowRun>& runs) {
  try {
    runs.push_back(run_of(item));
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

MlflowClient::MlflowClient(const std::string& url, const MlflowAccess& access)
    : url_(url), http_(url, http_settings(access)), on_stop_(access.stop, [this] { cancel(); }) {
  if (!access.token.empty()) {
    secrets_ = {access.token};
    http_.headers.set("authorization", "Bearer " + access.token);
  } else if (!access.user.empty()) {
    const std::string basic = base64(access.user + ":" + access.password);
    secrets_ = {basic, access.password};
    http_.headers.set("authorization", "Basic " + basic);
  }
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
  const tracking::MlflowRefusal refusal = tracking::refusal_of(response.body, secrets_);
  existed_ = refusal.code == "RESOURCE_ALREADY_EXISTS";
  if (response.status / 100 == 3)
    throw failed(fmt::format("the tracking server {} sends us on to {} ({}): give that as --tracking-uri", url_,
                             without_secrets(std::string(response.headers.get("location"))), response.status));
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
  MlflowPages pages(url_);
  bool more = false;
  do {
    Json body = Json::object();
    body["max_results"] = kRunsAPage;
    if (!pages.next().empty()) body["page_token"] = pages.next();
    const Json answer = call("POST", "experiments/search", body);
    if (const Json* list = answer.find("experiments"); list != nullptr && list->is_array())
      for (const Json& item : list->as_array()) found[text_of(item, "experiment_id")] = text_of(item, "name");
    more = pages.more(text_of(answer, "next_page_token"), found.size());
  } while (more);
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
  std::size_t unreadable = 0;
  MlflowPages pages(url_);
  bool more = false;
  do {
    Json body = Json::object();
    body["experiment_ids"] = Json(experiment_ids);
    if (!filter.empty()) body["filter"] = filter;
    body["max_results"] = kRunsAPage;
    body["order_by"] = Json::Array{"attributes.start_time DESC"};
    if (!pages.next().empty()) body["page_token"] = pages.next();
    const Json answer = call("POST", "runs/search", body);
    if (const Json* list = answer.find("runs"); list != nullptr && list->is_array())
      for (const Json& item : list->as_array()) unreadable += !add_run(item, runs);
    more = pages.more(text_of(answer, "next_page_token"), runs.size() + unreadable);
  } while (more);
  if (unreadable > 0) log_warning("{} runs that {} lists cannot be read and are left out", unreadable, url_);
  return runs;
}

std::vector<MlflowMetric> MlflowClient::history(const std::string& run_id, const std::string& key) {
  std::vector<MlflowMetric> points;
  MlflowPages pages(url_);
  bool more = false;
  do {
    std::string path = fmt::format("metrics/get-history?run_id={}&metric_key={}&max_results={}", percent_encode(run_id),
                                   percent_encode(key), kPointsAPage);
    if (!pages.next().empty()) path += "&page_token=" + percent_encode(pages.next());
    const auto answer = ask("GET", path);
    if (!answer) break;
    if (const Json* list = answer->find("metrics"); list != nullptr && list->is_array())
      for (const Json& item : list->as_array()) points.push_back(tracking::metric_of(item));
    more = pages.more(text_of(*answer, "next_page_token"), points.size());
  } while (more);
  return points;
}

void MlflowClient::log_batch(const std::string& run_id, const MlflowBatch& batch) {
  for (const Json& body : tracking::batch_bodies(run_id, batch)) call("POST", "runs/log-batch", body);
}

}  // namespace anomctl
