#include "anomctl/io/influx/client.h"

#include <fmt/format.h>

#include <string_view>
#include <thread>

#include "anomctl/core/error.h"
#include "io/influx/reason.h"

namespace anomctl {

InfluxClient::InfluxClient(const InfluxServerSettings& settings, const HttpClientSettings& http)
    : settings_(settings), http_(settings.influx_url, http) {
  if (!settings.influx_token.empty()) http_.headers.set("Authorization", "Token " + settings.influx_token);
}

Json InfluxClient::call(const char* method, const std::string& target, const Json* body, int wanted,
                        const std::string& what) {
  HttpRequest request;
  request.method = method;
  request.target = target;
  if (body != nullptr) {
    request.body = body->dump();
    request.headers.set("Content-Type", "application/json");
  }
  const HttpResponse answer = http_.send(request);
  if (answer.status == 401)
    throw failed(fmt::format("InfluxDB {}: it does not know the token: {} (check influx-token-file)",
                             settings_.influx_url, influx_reason(answer)));
  // What a name does not lead to is told as no list at all.
  if (answer.status == 404 && std::string_view(method) == "GET") return {};
  if (answer.status != wanted)
    throw failed(fmt::format("InfluxDB {}: {}: {}", settings_.influx_url, what, influx_reason(answer)));
  return answer.body.empty() ? Json() : Json::parse(answer.body, "InfluxDB's answer");
}

void InfluxClient::wait_until_healthy(Duration timeout) {
  const Nanoseconds give_up = system_clock().steady() + timeout.ns;
  while (true) {
    std::string why;
    try {
      const HttpResponse answer = http_.get("/health");
      if (answer.status == 200) return;
      why = fmt::format("{} says HTTP {}", settings_.influx_url, answer.status);
    } catch (const Error& error) {
      if (error.code() != ExitCode::unreachable) throw;
      why = error.what();
    }
    if (system_clock().steady() >= give_up) throw unreachable_error("InfluxDB is not there: " + why);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

bool InfluxClient::set_up(const std::string& user, const std::string& password, std::int64_t retention_s) {
  if (!call("GET", "/api/v2/setup", nullptr, 200, "cannot ask whether it is set up").bool_or("allowed", false))
    return false;
  Json body = Json::object();
  body["username"] = user;
  body["password"] = password;
  body["org"] = settings_.influx_org;
  body["bucket"] = settings_.influx_bucket;
  body["retentionPeriodSeconds"] = retention_s;
  body["token"] = settings_.influx_token;
  call("POST", "/api/v2/setup", &body, 201, "cannot be set up");
  return true;
}

std::string InfluxClient::organisation_id() {
  const Json found = call("GET", "/api/v2/orgs?org=" + percent_encode(settings_.influx_org), nullptr, 200,
                          fmt::format("organisation '{}' cannot be looked for", settings_.influx_org));
  const Json* orgs = found.find("orgs");
  if (orgs == nullptr || orgs->size() != 1)
    throw failed(
        fmt::format("InfluxDB {}: there is no organisation '{}' for this token (influx org list shows those that are "
                    "there, influx org update renames one)",
                    settings_.influx_url, settings_.influx_org));
  return orgs->as_array().front().at("id").as_string();
}

bool InfluxClient::make_bucket(const std::string& organisation_id, std::int64_t retention_s) {
  const Json found = call(
      "GET", fmt::format("/api/v2/buckets?orgID={}&name={}", organisation_id, percent_encode(settings_.influx_bucket)),
      nullptr, 200, "buckets cannot be listed");
  if (const Json* buckets = found.find("buckets"); buckets != nullptr && buckets->size() > 0) return false;
  Json rule = Json::object();
  rule["type"] = "expire";
  rule["everySeconds"] = retention_s;
  Json body = Json::object();
  body["orgID"] = organisation_id;
  body["name"] = settings_.influx_bucket;
  body["retentionRules"] = retention_s > 0 ? Json(Json::Array{rule}) : Json::array();
  call("POST", "/api/v2/buckets", &body, 201, fmt::format("bucket '{}' cannot be made", settings_.influx_bucket));
  return true;
}

std::string InfluxClient::stack_id(const std::string& organisation_id, const std::string& stack) {
  const Json found = call("GET", fmt::format("/api/v2/stacks?orgID={}&name={}", organisation_id, percent_encode(stack)),
                          nullptr, 200, "stacks cannot be listed");
  if (const Json* stacks = found.find("stacks"); stacks != nullptr && stacks->is_array())
    for (const Json& one : stacks->as_array())
      if (one.string_or("eventType", "") != "uninstall") return one.at("id").as_string();
  Json body = Json::object();
  body["orgID"] = organisation_id;
  body["name"] = stack;
  return call("POST", "/api/v2/stacks", &body, 201, fmt::format("stack '{}' cannot be made", stack))
      .at("id")
      .as_string();
}

Json InfluxClient::apply_templates(const std::string& organisation_id, const std::string& stack,
                                   const std::vector<Json>& documents) {
  Json list = Json::array();
  for (const Json& document : documents) {
    Json one = Json::object();
    one["contentType"] = "json";
    one["contents"] = document;
    list.push_back(std::move(one));
  }
  Json body = Json::object();
  body["orgID"] = organisation_id;
  body["stackID"] = stack_id(organisation_id, stack);
  body["dryRun"] = false;
  body["templates"] = std::move(list);
  const Json answer = call("POST", "/api/v2/templates/apply", &body, 201, "templates cannot be applied");
  // Refused documents are answered with 201 too, and nothing was applied.
  if (const Json* errors = answer.find("errors"); errors != nullptr && errors->size() > 0) {
    const Json& first = errors->as_array().front();
    throw failed(fmt::format("InfluxDB {} refuses the {}: {}", settings_.influx_url,
                             first.string_or("kind", "template"), first.string_or("reason", "without a reason")));
  }
  return answer.at("summary");
}

}  // namespace anomctl
