// What InfluxDB says in an answer that is none. Private to influx. Thread rule: pure function.
#pragma once

#include <string>

#include "anomctl/io/net/http.h"

namespace anomctl {

// "HTTP 401: unauthorized access" of {"code": .., "message": ..}, else the status alone; on one line.
std::string influx_reason(const HttpResponse& answer);

}  // namespace anomctl
