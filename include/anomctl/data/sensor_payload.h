// Readings as devices send them, one message at a time: flat JSON {"time": .., "a": 1.0, ..}, {"time": .., "values":
// {..}} or a list in column order, a bare list, one sensor a message {"sensor": "a", "value": 1.0}, InfluxDB line
// protocol. Bytes from strangers: what is wrong is said, never thrown. Thread rule: one thread an object.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "anomctl/core/row.h"

namespace anomctl {

// Whether an instant can be one of a reading: of the years 1900 to 2099. Differences of two such fit into Nanoseconds.
constexpr bool is_reading_time(Nanoseconds time) { return time >= -25'567 * kDay && time < 47'482 * kDay; }

class SensorPayload {
 public:
  explicit SensorPayload(const std::vector<std::string>& columns, std::size_t max_bytes = 1 << 20);

  struct Reading {
    std::optional<Nanoseconds> time;  // as the message says
    std::vector<double> values;       // one a column; NaN: missing
    std::vector<bool> given;          // one a column: the message named it
    bool part = false;                // more of the same instant may come in other messages
  };
  struct Result {
    std::vector<Reading> readings;  // several only of line protocol
    std::string error;              // what is wrong; the readings are then empty
    std::size_t unknown = 0;        // fields that are no column
  };
  Result parse(std::string_view bytes) const;

 private:
  Reading empty() const;
  bool put(Reading& reading, std::string_view name, double value, Result& result) const;
  void parse_json(std::string_view bytes, Result& result) const;
  void parse_line(std::string_view line, Result& result) const;

  std::unordered_map<std::string, std::size_t> index_;
  std::size_t columns_, max_bytes_;
};

// {"time": "..", "a": 1.0, ..} of a row, with the stamp of the sender's clock; a missing value is left out.
std::string sensor_message(const std::vector<std::string>& columns, const Row& row);

}  // namespace anomctl
