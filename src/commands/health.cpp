#include "commands/health.h"

#include <fmt/core.h>

#include "anomctl/core/error.h"
#include "anomctl/io/net/http_client.h"
#include "anomctl/io/net/reach.h"
#include "commands/service_url.h"

namespace anomctl {
namespace {

constexpr const char* kReadyPath = "/v2/health/ready";

int health(const HealthOptions& options, Context& context) {
  const ServiceAddress address = service_address(options.url);
  const std::string where = fmt::format("{}:{}", address.host, address.port);
  context.result["service"] = where;
  context.result["ready"] = false;
  if (!address.scheme.starts_with("http")) {
    const std::string reason = why_unreachable(address.host, address.port, options.timeout);
    if (!reason.empty()) throw unreachable_error(fmt::format("{}: {}", where, reason));
  } else {
    HttpClientSettings settings;
    settings.ca_file = options.ca_file;
    settings.connect_timeout = settings.timeout = options.timeout;
    HttpClient client(options.url, settings);
    const bool own_path = address.path.size() > 1;
    const HttpResponse answer = client.get(own_path ? "" : kReadyPath);
    context.result["status"] = answer.status;
    if (answer.status != 200) {
      context.text(fmt::format("{} is not ready (HTTP {})", where, answer.status));
      return static_cast<int>(ExitCode::failed);
    }
  }
  context.result["ready"] = true;
  context.text(where + " is ready");
  return 0;
}

}  // namespace

CommandSpec health_command() {
  return make_command<HealthOptions>("health", "Tools", "Ask a running service whether it is ready",
                                     {"anomctl health --url http://127.0.0.1:8080"}, health);
}

}  // namespace anomctl
