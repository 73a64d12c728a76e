#include "roles/serve/router.h"

#include "anomctl/core/json.h"

namespace anomctl::serve {

namespace {

bool is_parameter(const std::string& segment) { return !segment.empty() && segment.front() == '{'; }

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& segments, PathValues& values) {
  if (pattern.size() != segments.size()) return false;
  values.clear();
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_parameter(pattern[i])) {
      if (segments[i].empty()) return false;
      values.push_back(segments[i]);
    } else if (pattern[i] != segments[i]) {
      return false;
    }
  }
  return true;
}

// As MLServer words it in `detail`, and as clients expect it in `error`.
HttpResponse refuse(int status, const std::string& message) {
  Json body = Json::object();
  body["error"] = message;
  body["detail"] = message;
  return json_response(status, body.dump());
}

HttpResponse redirect(const HttpRequest& request) {
  HttpResponse response;
  response.status = 307;
  std::string target(request.path.substr(0, request.path.size() - 1));
  if (!request.query.empty()) target += "?" + request.query;
  response.headers.add("location",
                       (request.tls ? "https://" : "http://") + std::string(request.headers.get("host")) + target);
  return response;
}

}  // namespace

void Router::add(Route route) {
  auto segments = path_segments(route.path);
  routes_.push_back({std::move(route), std::move(*segments)});
}

std::vector<Route> Router::routes() const {
  std::vector<Route> routes;
  for (const Known& known : routes_) routes.push_back(known.route);
  return routes;
}

Router::Match Router::match(const HttpRequest& request) const {
  Match match;
  auto segments = path_segments(request.path);
  if (!segments) {
    match.refusal = refuse(400, "the path is not valid");
    return match;
  }
  std::string allowed;
  for (const Known& known : routes_) {
    if (!fits(known.segments, *segments, match.values)) continue;
    if (known.route.method == request.method) {
      match.route = &known.route;
      return match;
    }
    allowed += (allowed.empty() ? "" : ", ") + known.route.method;
  }
  if (!allowed.empty()) {
    match.refusal = refuse(405, "Method Not Allowed");
    match.refusal.headers.add("allow", allowed);
    return match;
  }
  if (segments->size() > 1 && segments->back().empty()) {
    segments->pop_back();
    for (const Known& known : routes_) {
      if (!fits(known.segments, *segments, match.values)) continue;
      match.refusal = redirect(request);
      return match;
    }
  }
  match.refusal = refuse(404, "Not Found");
  return match;
}

}  // namespace anomctl::serve
