// From method and path to the function that answers. Thread rule: filled once, then constant.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "anomctl/io/auth/api_tokens.h"
#include "roles/serve/exchange.h"

namespace anomctl::serve {

// Parameters of the path in their order: the model's name, its version.
using PathValues = std::vector<std::string>;
using RouteHandler = std::function<void(ExchangePtr exchange, const PathValues& values)>;

struct Route {
  std::string method;
  std::string path;           // "/v2/models/{model_name}/infer"
  Scope scope = Scope::none;  // what a caller must be allowed
  bool counted = true;
  RouteHandler handler;
};

class Router {
 public:
  void add(Route route);

  struct Match {
    const Route* route = nullptr;
    PathValues values;
    HttpResponse refusal;  // where there is no route: 404, 405 with Allow, 307 for a '/' too many
  };
  Match match(const HttpRequest& request) const;
  std::vector<Route> routes() const;

 private:
  struct Known {
    Route route;
    std::vector<std::string> segments;
  };
  std::vector<Known> routes_;
};

}  // namespace anomctl::serve
