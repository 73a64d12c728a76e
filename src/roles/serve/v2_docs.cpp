// The part of V2Service that says what it offers: MLflow's small routes, a page and an OpenAPI document.
#include "anomctl/core/json.h"
#include "roles/serve/v2_service.h"

namespace anomctl::serve {

namespace {

HttpResponse text_response(std::string text, const char* type) {
  HttpResponse response;
  response.headers.add("content-type", type);
  response.body = std::move(text);
  return response;
}

std::string summary_of(const Route& route) {
  const std::string& path = route.path;
  if (path.ends_with("/live")) return "Whether the process works";
  if (path.ends_with("/ready")) return "Whether inference can be asked for";
  if (path.ends_with("/infer") || path.ends_with("/generate")) return "Scores windows";
  if (path.ends_with("_stream")) return "Scores windows, answered as a server-sent event";
  if (path.ends_with("/index")) return "The models and their state";
  if (path.ends_with("/load")) return "Loads a model, or loads it anew";
  if (path.ends_with("/unload")) return "Takes a model out of service";
  if (path.find("{model_name}") != std::string::npos) return "What a model takes and gives";
  return "About this server";
}

// OpenAPI 3.0 of the routes.
std::string openapi(const std::vector<Route>& routes, const std::string& version) {
  Json paths = Json::object();
  for (const Route& route : routes) {
    Json operation = Json::object();
    operation["summary"] = summary_of(route);
    Json responses = Json::object();
    for (const char* status : {"200", "default"}) {
      Json response = Json::object();
      response["description"] = std::string(status) == "200" ? "OK" : "An object with the member error";
      responses[status] = std::move(response);
    }
    operation["responses"] = std::move(responses);
    Json parameters = Json::array();
    for (const char* name : {"model_name", "model_version"}) {
      if (route.path.find("{" + std::string(name) + "}") == std::string::npos) continue;
      Json parameter = Json::object(), schema = Json::object();
      schema["type"] = "string";
      parameter["name"] = name;
      parameter["in"] = "path";
      parameter["required"] = true;
      parameter["schema"] = std::move(schema);
      parameters.push_back(std::move(parameter));
    }
    if (parameters.size() > 0) operation["parameters"] = std::move(parameters);
    paths[route.path][route.method == "GET" ? "get" : "post"] = std::move(operation);
  }
  Json document = Json::object(), info = Json::object();
  info["title"] = "anomctl: V2 Open Inference Protocol";
  info["version"] = version;
  document["openapi"] = "3.0.3";
  document["info"] = std::move(info);
  document["paths"] = std::move(paths);
  return document.dump();
}

std::string page(const std::vector<Route>& routes) {
  std::string html =
      "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>anomctl</title></head><body>"
      "<h1>V2 Open Inference Protocol</h1><p><a href=\"/v2/docs/dataplane.json\">OpenAPI document</a></p><ul>";
  for (const Route& route : routes)
    html += "<li><code>" + route.method + " " + route.path + "</code> " + summary_of(route) + "</li>";
  return html + "</ul></body></html>\n";
}

}  // namespace

void V2Service::add_mlflow_routes() {
  for (const char* path : {"/ping", "/health"})
    router_.add({"GET", path, Scope::none, false, [](const ExchangePtr& exchange, const PathValues&) {
                   exchange->answer(json_response(200, Json("\n").dump()));  // a JSON text, as MLServer sends it
                 }});
  router_.add({"GET", "/version", Scope::none, true, [this](const ExchangePtr& exchange, const PathValues&) {
                 exchange->answer(json_response(200, Json(settings_.version).dump()));
               }});
  router_.add({"POST", "/invocations", Scope::infer, true,
               [this](const ExchangePtr& exchange, const PathValues&) { invocations(exchange); }});
}

void V2Service::add_docs_routes() {
  const std::vector<Route> routes = router_.routes();
  const std::string html = page(routes), document = openapi(routes, settings_.version);
  for (const std::string base :
       {"/v2/docs", "/v2/models/{model_name}/docs", "/v2/models/{model_name}/versions/{model_version}/docs"}) {
    auto answer = [this](std::string text, const char* type) {
      return [this, text = std::move(text), type](const ExchangePtr& exchange, const PathValues& values) {
        if (values.empty() || find(exchange, values)) exchange->answer(text_response(text, type));
      };
    };
    router_.add({"GET", base, Scope::none, true, answer(html, "text/html; charset=utf-8")});
    router_.add({"GET", base + "/dataplane.json", Scope::none, true, answer(document, "application/json")});
  }
}

}  // namespace anomctl::serve
