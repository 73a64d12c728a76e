#include "io/influx/reason.h"

#include <fmt/format.h>

#include <algorithm>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"

namespace anomctl {

std::string influx_reason(const HttpResponse& answer) {
  std::string message;
  try {
    message = Json::parse(answer.body, "InfluxDB's answer").string_or("message", "");
  } catch (const Error&) {  // not JSON: a proxy's page, perhaps
  }
  std::replace_if(
      message.begin(), message.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return message.empty() ? fmt::format("HTTP {}", answer.status) : fmt::format("HTTP {}: {}", answer.status, message);
}

}  // namespace anomctl
