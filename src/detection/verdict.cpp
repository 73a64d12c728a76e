#include "anomctl/detection/verdict.h"

#include <fmt/core.h>

#include <cmath>

namespace anomctl {

std::string to_string(State state) {
  switch (state) {
    case State::warmup:
      return "warmup";
    case State::normal:
      return "normal";
    case State::open:
      return "open";
    case State::closed:
      return "closed";
    case State::idle:
      return "idle";
    case State::muted:
      return "muted";
    case State::no_data:
      return "no_data";
    case State::sensor_fault:
      return "sensor_fault";
  }
  return "normal";
}

Json to_json(const Verdict& verdict) {
  Json json = Json::object();
  json["id"] = verdict.id;
  json["time"] = format_stamp(verdict.time);
  if (std::isfinite(verdict.score)) json["score"] = verdict.score;
  if (std::isfinite(verdict.threshold)) json["threshold"] = verdict.threshold;
  json["is_anomaly"] = verdict.is_anomaly ? 1 : 0;
  json["episode"] = verdict.episode;
  json["state"] = to_string(verdict.state);
  for (std::size_t i = 0; i < verdict.causes.size() && i < 3; ++i) {
    const Cause& cause = verdict.causes[i];
    const std::string top = fmt::format("top{}", i + 1);
    json[top] = cause.sensor;
    json[top + "_share"] = cause.share;
    json[top + "_actual"] = cause.actual;
    json[top + "_expected"] = cause.expected;
  }
  json["reason"] = verdict.reason;
  json["model"] = verdict.model;
  return json;
}

}  // namespace anomctl
