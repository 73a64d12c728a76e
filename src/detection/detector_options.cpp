#include "anomctl/core/json.h"
#include "anomctl/detection/detector.h"

namespace anomctl {

Json to_json(const DetectorOptions& options, std::optional<double> limit) {
  Json json = Json::object();
  if (limit) json["threshold"] = *limit;
  json["max_gap_periods"] = options.max_gap_periods;
  json["max_hold_rows"] = options.max_hold_rows;
  json["healthy_start"] = options.healthy_start;
  json["at_once"] = options.episodes.at_once;
  json["on_rows"] = options.episodes.on_rows;
  json["off_rows"] = options.episodes.off_rows;
  json["latch"] = options.episodes.latch;
  json["dead_band"] = options.episodes.dead_band;
  if (options.active_when) json["active_when"] = *options.active_when;
  json["sensor_faults"] = options.faults.enabled;
  json["range_spans"] = options.faults.spans;
  json["stuck_factor"] = options.faults.stuck_factor;
  json["stuck_rows"] = options.faults.stuck_rows;
  Json ranges = Json::array();
  for (const SensorRange& range : options.faults.ranges) {
    Json one = Json::object();
    one["sensor"] = range.sensor;
    one["low"] = range.low;
    one["high"] = range.high;
    ranges.push_back(std::move(one));
  }
  json["sensor_ranges"] = std::move(ranges);
  return json;
}

DetectorOptions detector_options_from_json(const Json& json) {
  DetectorOptions options;
  if (const Json* limit = json.find("threshold")) options.threshold = limit->as_double();
  options.max_gap_periods = json.at("max_gap_periods").as_double();
  options.max_hold_rows = json.at("max_hold_rows").as_int();
  options.healthy_start = json.int_or("healthy_start", 0);
  options.episodes.at_once = json.number_or("at_once", 0);
  options.episodes.on_rows = json.at("on_rows").as_int();
  options.episodes.off_rows = json.at("off_rows").as_int();
  options.episodes.latch = json.at("latch").as_bool();
  options.episodes.dead_band = json.at("dead_band").as_double();
  if (const Json* active = json.find("active_when")) options.active_when = active->as_string();
  options.faults.enabled = json.at("sensor_faults").as_bool();
  options.faults.spans = json.at("range_spans").as_double();
  options.faults.stuck_factor = json.at("stuck_factor").as_double();
  options.faults.stuck_rows = json.at("stuck_rows").as_int();
  for (const Json& range : json.at("sensor_ranges").as_array())
    options.faults.ranges.push_back(
        {range.at("sensor").as_string(), range.at("low").as_double(), range.at("high").as_double()});
  return options;
}

}  // namespace anomctl
