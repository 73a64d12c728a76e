#include "roles/serve/v2_service.h"

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/io/net/gzip.h"
#include "roles/serve/serve_metrics.h"

namespace anomctl::serve {

namespace {

HttpResponse empty_ok() { return {}; }

HttpResponse unavailable(const std::string& why) {
  HttpResponse response = error_response(503, why);
  response.headers.add("retry-after", "1");
  return response;
}

}  // namespace

V2Service::V2Service(V2Settings settings, Repository& repository, Metrics& metrics)
    : settings_(std::move(settings)), repository_(repository), metrics_(metrics) {
  declare_http_metrics(metrics_);
  declare_serve_metrics(metrics_);
  add_health_routes();
  add_model_routes();
  add_repository_routes();
  add_mlflow_routes();
  add_docs_routes();
}

void V2Service::set_not_ready(std::string reason) {
  const std::lock_guard lock(mutex_);
  not_ready_ = std::move(reason);
}

std::string V2Service::not_ready() const {
  {
    const std::lock_guard lock(mutex_);
    if (!not_ready_.empty()) return not_ready_;
  }
  if (std::string why = repository_.not_ready(); !why.empty()) return why;
  if (log_trouble().empty()) return {};
  log_warning("the log could not be written: lines were lost");  // where this one is written, it can be again
  const std::string trouble = log_trouble();
  return trouble.empty() ? std::string() : "the log cannot be written (" + trouble + ")";
}

bool V2Service::refuses(const HttpRequest& header) const {
  const Router::Match match = router_.match(header);
  return !match.route || (would_refuse && would_refuse(header, match.route->scope));
}

void V2Service::handle(HttpRequest request, Reply reply) {
  const auto exchange = std::make_shared<Exchange>(std::move(request), std::move(reply), metrics_, settings_.exchange);
  Router::Match match = router_.match(exchange->request());
  if (!match.route) return exchange->answer(std::move(match.refusal));
  exchange->route = match.route->path;
  exchange->counted = match.route->counted;
  if (!authorize) return go_on(exchange, match);
  const Scope scope = match.route->scope;
  authorize(exchange->request(), scope, [this, exchange, match = std::move(match)](AccessDecision decision) {
    exchange->user = std::move(decision.user);
    if (!decision.refusal) return go_on(exchange, match);
    metrics_.add("anomctl_access_refused_total", {{"status_code", std::to_string(decision.refusal->status)}});
    exchange->answer(std::move(*decision.refusal));
  });
}

void V2Service::go_on(const ExchangePtr& exchange, const Router::Match& match) {
  try {
    const std::string_view encoding = exchange->request().headers.get("content-encoding");
    if (equal_ignoring_case(encoding, "gzip")) {
      std::string unpacked;
      const GunzipResult result = gunzip(exchange->body(), settings_.max_body_bytes, unpacked);
      if (result == GunzipResult::too_large)
        return exchange->answer(error_response(413, "the unpacked request body is larger than max_body_bytes"));
      if (result == GunzipResult::damaged)
        return exchange->answer(error_response(400, "the request body is not valid gzip"));
      exchange->body() = std::move(unpacked);
    } else if (!encoding.empty() && !equal_ignoring_case(encoding, "identity")) {
      return exchange->answer(
          error_response(415, "content-encoding '" + std::string(encoding) + "' is not known: use gzip or none"));
    }
    match.route->handler(exchange, match.values);
  } catch (const std::exception& e) {
    log_error("request {}: {}", exchange->id(), e.what());
    exchange->answer(error_response(500, e.what()));
  }
}

void V2Service::add_health_routes() {
  const auto live = [](const ExchangePtr& exchange, const PathValues&) { exchange->answer(empty_ok()); };
  const auto ready = [this](const ExchangePtr& exchange, const PathValues&) {
    const std::string why = not_ready();
    exchange->answer(why.empty() ? empty_ok() : unavailable(why));
  };
  router_.add({"GET", "/v2/health/live", Scope::none, false, live});
  router_.add({"GET", "/v2/health/ready", Scope::none, false, ready});
  router_.add({"GET", "/v2", Scope::none, true, [this](const ExchangePtr& exchange, const PathValues&) {
                 Json body = Json::object();
                 body["name"] = "anomctl";
                 body["version"] = settings_.version;
                 body["extensions"] = Json::Array{"binary_tensor_data", "model_repository"};
                 body["protocols"] = Json::Array{"http"};  // V2 over gRPC is not offered
                 exchange->answer(json_response(200, body.dump()));
               }});
}

void V2Service::add_model_routes() {
  for (const std::string base : {"/v2/models/{model_name}", "/v2/models/{model_name}/versions/{model_version}"}) {
    router_.add({"GET", base, Scope::read, true, [this](const ExchangePtr& exchange, const PathValues& values) {
                   if (const auto served = find(exchange, values))
                     exchange->answer(json_response(200, model_metadata(*served)));
                 }});
    router_.add(
        {"GET", base + "/ready", Scope::none, false, [this](const ExchangePtr& exchange, const PathValues& values) {
           if (find(exchange, values)) exchange->answer(empty_ok());
         }});
    for (const std::string verb : {"/infer", "/generate"})
      router_.add(
          {"POST", base + verb, Scope::infer, true,
           [this](const ExchangePtr& exchange, const PathValues& values) { infer(exchange, values, Form::tensors); }});
    for (const std::string verb : {"/infer_stream", "/generate_stream"})
      router_.add(
          {"POST", base + verb, Scope::infer, true, [this](const ExchangePtr& exchange, const PathValues& values) {
             infer(exchange, values, Form::event_stream);
           }});
  }
}

void V2Service::add_repository_routes() {
  router_.add(
      {"POST", "/v2/repository/index", Scope::read, true, [this](const ExchangePtr& exchange, const PathValues&) {
         bool only_ready = false;
         // A body is not needed (tritonclient sends none).
         if (!exchange->body().empty()) {
           try {
             const Json body = Json::parse(exchange->body(), "request body", {.max_bytes = 64 * 1024});
             if (!body.is_object()) {
               const v2::Refusal refusal = v2::unprocessable(
                   "model_attributes_type", R"(["body"])",
                   "Input should be a valid dictionary or object to extract fields from", exchange->body());
               return exchange->answer(json_response(refusal.status, refusal.body));
             }
             only_ready = body.bool_or("ready", false);
           } catch (const Error& e) {
             const v2::Refusal refusal =
                 v2::unprocessable("json_invalid", R"(["body",0])", "JSON decode error", "{}", e.what());
             return exchange->answer(json_response(refusal.status, refusal.body));
           }
         }
         exchange->answer(json_response(200, repository_.index(only_ready).dump()));
       }});
  router_.add({"POST", "/v2/repository/models/{model_name}/load", Scope::admin, true,
               [this](const ExchangePtr& exchange, const PathValues& values) {
                 const bool known = repository_.load(values[0], [exchange](const std::string& error) {
                   exchange->answer(error.empty() ? empty_ok() : error_response(400, error));
                 });
                 if (!known) exchange->answer(error_response(404, "Model " + values[0] + " not found"));
               }});
  router_.add({"POST", "/v2/repository/models/{model_name}/unload", Scope::admin, true,
               [this](const ExchangePtr& exchange, const PathValues& values) {
                 const bool known = repository_.unload(values[0]);
                 exchange->answer(known ? empty_ok() : error_response(404, "Model " + values[0] + " not found"));
               }});
}

std::shared_ptr<ServedModel> V2Service::find(const ExchangePtr& exchange, const PathValues& values) {
  const std::string& name = values[0];
  const std::string version = values.size() > 1 ? values[1] : "";
  std::shared_ptr<ServedModel> served;
  switch (repository_.find(name, version, served)) {
    case Repository::Found::ready:
      return served;
    case Repository::Found::unknown_model:
      exchange->answer(error_response(404, "Model " + name + " not found"));
      break;
    case Repository::Found::unknown_version:
      exchange->answer(error_response(404, "Model " + name + " with version " + version + " not found"));
      break;
    case Repository::Found::loading:
      exchange->answer(unavailable("model " + name + " is loading"));
      break;
    case Repository::Found::failed:
      exchange->answer(unavailable("model " + name + " could not be loaded: " + repository_.reason(name)));
      break;
  }
  return nullptr;
}

}  // namespace anomctl::serve
