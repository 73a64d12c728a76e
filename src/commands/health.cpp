#include "commands/health.h"

#include <fmt/core.h>

#include "anomctl/core/error.h"
#include "anomctl/io/net/http_client.h"
#include "anomctl/io/net/reach.h"
#include "commands/heartbeat.h"
#include "commands/service_url.h"

namespace anomctl {
namespace {

constexpr const char *kService = "http://127.0.0.1:8080", *kReadyPath = "/v2/health/ready",
                     *kLivePath = "/v2/health/live";

// Why not, or empty.
std::string of_service(const HealthOptions& options, const std::string& url, Context& context) {
  const ServiceAddress address = service_address(url);
  const std::string where = fmt::format("{}:{}", address.host, address.port);
  context.result["service"] = where;
  if (!address.scheme.starts_with("http")) {
    const std::string reason = why_unreachable(address.host, address.port, options.timeout);
    if (!reason.empty()) throw unreachable_error(fmt::format("{}: {}", where, reason));
    return {};
  }
  HttpClientSettings settings;
  settings.ca_file = options.ca_file;
  settings.connect_timeout = settings.timeout = options.timeout;
  HttpClient client(url, settings);
  const bool own_path = address.path.size() > 1;
  const HttpResponse answer = client.get(own_path ? "" : options.live ? kLivePath : kReadyPath);
  context.result["status"] = answer.status;
  return answer.status == 200 ? "" : fmt::format("HTTP {}", answer.status);
}

int health(const HealthOptions& options, Context& context) {
  context.result["ready"] = false;
  std::string why;
  if (options.url.empty() && !options.alive_file.empty()) {
    context.result["service"] = options.alive_file.string();
    why = why_not_well(options.alive_file, options.max_age, options.live);
  } else {
    why = of_service(options, options.url.empty() ? kService : options.url, context);
  }
  const std::string& service = context.result.at("service").as_string();
  if (!why.empty()) {
    context.result["reason"] = why;
    context.text(fmt::format("{} is not {} ({})", service, options.live ? "alive" : "ready", why));
    return static_cast<int>(ExitCode::failed);
  }
  context.result["ready"] = true;
  context.text(fmt::format("{} is {}", service, options.live ? "alive" : "ready"));
  return 0;
}

}  // namespace

CommandSpec health_command() {
  return make_command<HealthOptions>(
      "health", "Tools", "Ask a running service whether it is ready",
      {"anomctl health --url http://127.0.0.1:8080", "anomctl health --alive-file /tmp/alive"}, health);
}

}  // namespace anomctl
