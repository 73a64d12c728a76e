// The role `generate`: rows of a table or a data set as an MQTT stream, at a pace, for one asset or many. Thread rule:
// `run_generate` is called from one thread; several calls may run at once.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "anomctl/core/row.h"
#include "anomctl/io/mqtt/client.h"

namespace anomctl {

struct TopicSettings {
  std::string topic_org = "windmill";
  std::string topic_sensor = "blade";

  static void fields(auto& self, auto&& field) {
    field("topic_org", self.topic_org, "first level of all topics");
    field("topic_sensor", self.topic_sensor, "last level of the readings' topic: the asset's name");
  }
};

struct GenerateSettings {
  MqttSettings mqtt;
  TopicSettings topic;
  double rate = -1;
  double speed = -1;
  bool loop = false;
  std::int64_t assets = 1;
  std::int64_t rows = -1;
  std::string start_time;
  Duration flush_timeout = seconds(30);

  static void fields(auto& self, auto&& field) {
    MqttSettings::fields(self.mqtt, field);
    TopicSettings::fields(self.topic, field);
    field("rate", self.rate, "rows a second of each asset; 0: as fast as the broker takes them (default: see speed)");
    field("speed", self.speed, "times as fast as the rows were taken (default: 1)");
    field("loop", self.loop, "begin again at the end");
    field("assets", self.assets, "machines that send the same rows, as {sensor}-0, {sensor}-1 ..; one is {sensor}",
          Between{1, 100'000});
    field("rows", self.rows, "stop after so many rows of each asset (default: all)");
    field(
        "start_time", self.start_time,
        "stamp of the first row; the others keep their distance (default: the table's own, or now where it has none)");
    field("flush_timeout", self.flush_timeout, "longest wait for the broker's last acknowledgements");
  }
};

// Throws UsageError for settings that do not go together.
void validate(const GenerateSettings& settings);

struct GenerateParts {
  std::function<std::unique_ptr<RowSource>()> open;          // the rows, from the first on
  bool has_times = false;                                    // they carry stamps of their own
  double period_s = 1;                                       // step from the last row to the first of the next round
  std::function<void(std::int64_t row, const Row&)> on_row;  // after it was handed to the broker for all assets
};

struct GenerateCounts {
  std::int64_t rows = 0;  // of each asset
  std::int64_t published = 0, acknowledged = 0, refused = 0;
  double seconds = 0;
  bool complete = false;  // all rows are out and acknowledged
};

// Throws Error(unreachable) when the broker cannot be reached at the start.
GenerateCounts run_generate(const GenerateSettings& settings, const GenerateParts& parts, std::stop_token stop);

}  // namespace anomctl
