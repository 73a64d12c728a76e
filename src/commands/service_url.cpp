#include "commands/service_url.h"

#include <fmt/core.h>

#include <charconv>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

int usual_port(const std::string& scheme) {
  if (scheme == "mqtt" || scheme == "tcp") return 1883;
  if (scheme == "mqtts" || scheme == "ssl") return 8883;
  if (scheme == "http") return 80;
  return scheme == "https" ? 443 : 0;
}

}  // namespace

ServiceAddress service_address(const std::string& url) {
  const std::size_t colon = url.find("://");
  ServiceAddress address;
  if (colon != std::string::npos) address.scheme = url.substr(0, colon);
  address.port = usual_port(address.scheme);
  if (address.port == 0) {
    throw UsageError(fmt::format("'{}' is no URL of a service: write mqtt://host:1883 or http://host:8080", url));
  }
  std::string rest = url.substr(colon + 3);
  const std::size_t slash = rest.find('/');
  if (slash != std::string::npos) address.path = rest.substr(slash);
  rest = rest.substr(0, slash);
  if (const std::size_t at = rest.rfind('@'); at != std::string::npos) rest = rest.substr(at + 1);
  std::size_t port_colon = rest.rfind(':');
  if (rest.starts_with('[')) {
    const std::size_t bracket = rest.find(']');
    port_colon = bracket == std::string::npos ? std::string::npos : rest.find(':', bracket);
    address.host = rest.substr(1, bracket == std::string::npos ? bracket : bracket - 1);
  } else {
    address.host = rest.substr(0, port_colon);
  }
  if (port_colon != std::string::npos) {
    const char* begin = rest.data() + port_colon + 1;
    const char* end = rest.data() + rest.size();
    const auto [stop, error] = std::from_chars(begin, end, address.port);
    if (error != std::errc() || stop != end || address.port < 1 || address.port > 65535) {
      throw UsageError(fmt::format("the port of {} is no number from 1 to 65535", url));
    }
  }
  if (address.host.empty()) throw UsageError(fmt::format("{} names no host", url));
  return address;
}

}  // namespace anomctl
