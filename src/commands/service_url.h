// Host and port of a service's URL. Thread rule: pure functions.
#pragma once

#include <string>

namespace anomctl {

struct ServiceAddress {
  std::string scheme, host;
  int port = 0;
  std::string path;  // "/v2", or empty
};
// "mqtts://user:word@host:8883/x"; the port is the scheme's own when left out. Throws UsageError.
ServiceAddress service_address(const std::string& url);

}  // namespace anomctl
