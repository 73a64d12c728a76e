// The role `generate`: rows of a table, a data set or a simulated plant as an MQTT stream, at a pace, for one asset or
// many, with faults in the readings and disturbances on the way where they are asked for. Thread rule: `run_generate`
// is called from one thread; several calls may run at once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/core/row.h"
#include "anomctl/data/faults.h"
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

// What happens to messages on their way, each with the same chance for every message.
struct DisturbanceSettings {
  double drop = 0, duplicate = 0, late = 0, disorder = 0;
  std::int64_t late_rows = 5;
  std::uint64_t seed = 1;

  static void fields(auto& self, auto&& field) {
    field("drop", self.drop, "share of messages that are not sent", Between{0, 1});
    field("duplicate", self.duplicate, "share of messages that are sent twice", Between{0, 1});
    field("late", self.late, "share of messages that are sent late-rows rows later", Between{0, 1});
    field("late_rows", self.late_rows, "how many rows late", Between{1, 10'000});
    field("disorder", self.disorder, "share of messages that change places with the next one", Between{0, 1});
    field("seed", self.seed, "the same seed disturbs the same messages, and simulates the same plant");
  }
};

struct GenerateSettings {
  MqttSettings mqtt;
  TopicSettings topic;
  DisturbanceSettings disturbance;
  std::vector<std::string> fault;
  std::int64_t qos = 1;
  std::optional<double> rate, speed;
  bool loop = false;
  std::int64_t assets = 1;
  std::int64_t rows = -1;
  std::string start_time;
  Duration flush_timeout = seconds(30);

  static void fields(auto& self, auto&& field) {
    MqttSettings::fields(self.mqtt, field);
    TopicSettings::fields(self.topic, field);
    field("rate", self.rate, "rows a second of each asset; 0: as fast as the broker takes them (default: see speed)",
          AtLeast{0});
    field("speed", self.speed, "times as fast as the rows were taken (default: 1)");
    field("loop", self.loop, "begin again at the end");
    field("assets", self.assets,
          "machines that send, as {sensor}-0, {sensor}-1 ..; one is {sensor}. Each begins elsewhere in the rows, with "
          "a gap in its stamps where they end, and a simulated plant is another one for each",
          Between{1, 100'000});
    field("rows", self.rows, "stop after so many rows of each asset (default: all)");
    field(
        "start_time", self.start_time,
        "stamp of the first row; the others keep their distance (default: the table's own, or now where it has none)");
    field("qos", self.qos, "MQTT quality of service: 0 at most once, 1 at least once, 2 exactly once", Between{0, 2});
    field("fault", self.fault,
          "put this fault into each asset's readings: kind:sensor@start+length[*size], as in stuck:flow@120s+30s or "
          "clock_skew@120s+30s*3600");
    DisturbanceSettings::fields(self.disturbance, field);
    field("flush_timeout", self.flush_timeout, "longest wait for the broker's last acknowledgements");
  }
};

// Throws UsageError for settings that do not go together.
void validate(const GenerateSettings& settings);

struct GenerateParts {
  std::function<std::unique_ptr<RowSource>(std::int64_t asset)> open;  // the rows, from the first on
  bool faults_in_rows = false;                               // the rows have the faults of the settings in them already
  bool has_times = false;                                    // they carry stamps of their own
  double period_s = 1;                                       // step from the last row to the first of the next round
  std::function<void(std::int64_t row, const Row&)> on_row;  // of the first asset, after it was handed to the broker
  std::function<void(const std::string& asset, const InjectedFault&)> on_fault;  // when it begins
  std::function<void(const std::string& why)> on_broker;  // why it is away, empty: it is there; on another thread
};

struct GenerateCounts {
  std::int64_t rows = 0;  // of each asset
  std::int64_t published = 0, acknowledged = 0, refused = 0;
  std::int64_t dropped = 0, duplicated = 0, late = 0, disordered = 0;  // on purpose
  double seconds = 0;
  bool complete = false;  // all rows are out and acknowledged
};

// Throws Error(unreachable) when the broker cannot be reached at the start.
GenerateCounts run_generate(const GenerateSettings& settings, const GenerateParts& parts, std::stop_token stop);

}  // namespace anomctl
