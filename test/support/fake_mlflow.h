// As much of a tracking server as a run's copy needs, in this process, with faults where a test wants them.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/io/net/http_server.h"

namespace anomctl::test {

class FakeMlflow {
 public:
  struct Run {
    std::string name, status = "RUNNING";
    std::map<std::string, std::string> params, tags;
    std::multimap<std::string, std::string> points;  // metric -> "time step value"
    std::map<std::string, std::string> files;
  };
  FakeMlflow() : server_({}, [this](const HttpRequest& request, Reply reply) { reply.send(answer(request)); }) {
    server_.start();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }

  // Asked before (with `done` false) and after each request was carried out: an answer in place of the right one.
  std::function<std::optional<HttpResponse>(const HttpRequest& request, bool done)> fault;
  std::map<std::string, Run> runs;  // by id; read while nobody asks
  std::vector<std::string> asked;   // paths

 private:
  static Json pairs(const std::map<std::string, std::string>& map) {
    Json list = Json::array();
    for (const auto& [key, value] : map) {
      Json item = Json::object();
      item["key"] = key;
      item["value"] = value;
      list.push_back(std::move(item));
    }
    return list;
  }
  Json run_json(const std::string& id) {
    const Run& run = runs.at(id);
    Json out = Json::object();
    Json info = Json::object();
    info["run_id"] = id;
    info["experiment_id"] = "1";
    info["run_name"] = run.name;
    info["status"] = run.status;
    info["artifact_uri"] = "mlflow-artifacts:/1/" + id + "/artifacts";
    out["info"] = std::move(info);
    out["data"] = Json::object();
    out["data"]["params"] = pairs(run.params);
    out["data"]["tags"] = pairs(run.tags);
    std::map<std::string, std::string> last;
    for (const auto& [key, point] : run.points) last[key] = "0.5";
    Json metrics = pairs(last);
    for (Json& metric : metrics.as_array()) metric["value"] = 0.5;
    out["data"]["metrics"] = std::move(metrics);
    return out;
  }
  static HttpResponse missing() {
    return json_response(404, R"({"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no"})");
  }

  HttpResponse answer(const HttpRequest& request) {
    const std::lock_guard lock(mutex_);
    asked.push_back(request.path);
    if (fault)
      if (auto instead = fault(request, false)) return *instead;
    HttpResponse right = carry_out(request);
    if (fault)
      if (auto instead = fault(request, true)) return *instead;
    return right;
  }

  HttpResponse carry_out(const HttpRequest& request) {
    const std::string api = "/api/2.0/mlflow/", files = "/api/2.0/mlflow-artifacts/artifacts";
    if (request.path.starts_with(files)) {
      const std::string path = request.path == files ? *query_value(request.query, "path")
                                                     : *percent_decode(request.path.substr(files.size() + 1));
      const std::string id = path.substr(2, path.find('/', 2) - 2);
      const std::string front = "1/" + id + "/artifacts";
      if (request.method == "PUT") {
        runs.at(id).files[path.substr(front.size() + 1)] = request.body;
        return json_response(200, "{}");
      }
      Json list = Json::array();
      for (const auto& [name, content] : runs.at(id).files) {
        Json item = Json::object();
        item["path"] = name;
        item["file_size"] = content.size();
        if (path == front) list.push_back(std::move(item));
      }
      Json out = Json::object();
      out["files"] = std::move(list);
      return json_response(200, out.dump());
    }
    const std::string what = request.path.substr(std::min(api.size(), request.path.size()));
    const Json body = request.body.empty() ? Json::object() : Json::parse(request.body);
    if (what == "experiments/get-by-name")
      return made_ ? json_response(200, R"({"experiment":{"experiment_id":"1","name":"e"}})") : missing();
    if (what == "experiments/create") {
      made_ = true;
      return json_response(200, R"({"experiment_id":"1"})");
    }
    Json out = Json::object();
    if (what == "runs/create") {
      const std::string id = "run" + std::to_string(runs.size());
      runs[id].name = body.string_or("run_name", "");
      for (const Json& tag : body.at("tags").as_array())
        runs[id].tags[tag.string_or("key", "")] = tag.string_or("value", "");
      out["run"] = run_json(id);
    } else if (what == "runs/search") {
      out["runs"] = Json::array();
      for (const auto& [id, run] : runs)
        for (const auto& [key, value] : run.tags)
          if (body.string_or("filter", "") == "tags.`" + key + "` = '" + value + "'")
            out["runs"].push_back(run_json(id));
    } else if (what == "runs/get") {
      const std::string id = *query_value(request.query, "run_id");
      if (!runs.contains(id)) return missing();
      out["run"] = run_json(id);
    } else if (what == "metrics/get-history") {
      const Run& run = runs.at(*query_value(request.query, "run_id"));
      const std::string key = *query_value(request.query, "metric_key");
      out["metrics"] = Json::array();
      for (auto [at, end] = run.points.equal_range(key); at != end; ++at)
        out["metrics"].push_back(Json::parse(at->second));
    } else if (what == "runs/log-batch") {
      Run& run = runs.at(body.string_or("run_id", ""));
      for (const auto& [kind, map] : {std::pair{"params", &run.params}, std::pair{"tags", &run.tags}})
        if (const Json* list = body.find(kind))
          for (const Json& item : list->as_array()) (*map)[item.string_or("key", "")] = item.string_or("value", "");
      if (const Json* list = body.find("metrics"))
        for (const Json& item : list->as_array()) run.points.emplace(item.string_or("key", ""), item.dump());
    } else if (what == "runs/update") {
      runs.at(body.string_or("run_id", "")).status = body.string_or("status", "");
    } else {
      return HttpResponse{404, {}, "<html>", {}};
    }
    return json_response(200, out.dump());
  }

  std::mutex mutex_;
  bool made_ = false;
  HttpServer server_;
};

}  // namespace anomctl::test
