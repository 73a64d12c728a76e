// Whether something listens at a host and port. Thread rule: free function, safe from any thread.
#pragma once

#include <string>

#include "anomctl/core/time.h"

namespace anomctl {

// Empty when a TCP connection was made within `timeout`, else why not: "connection refused".
std::string why_unreachable(const std::string& host, int port, Duration timeout);

}  // namespace anomctl
