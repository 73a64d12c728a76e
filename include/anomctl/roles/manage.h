// The role `manage`: readings from a broker, judged, back as verdicts and alerts. A row is judged by the same Detector
// as a row of a file. Thread rule: `run_manage` is called from one thread, on which the callbacks run; messages arrive
// on a thread of the MQTT library and wait in state_dir, without one in a bounded queue that holds the broker back.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/core/bounded_queue.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/detection/detector.h"
#include "anomctl/detection/sensor_faults.h"
#include "anomctl/io/influx/line_writer.h"
#include "anomctl/io/kafka/kafka.h"
#include "anomctl/io/mqtt/client.h"
#include "anomctl/io/net/http_client.h"
#include "anomctl/io/notify/notifier.h"
#include "anomctl/model/window_model.h"
#include "anomctl/roles/generate.h"

namespace anomctl {

// From readings to rows, and what is told of an asset beside its score (docs/streams.md).
struct ReadingSettings {
  Duration period;
  std::string fill = "hold";
  std::optional<Duration> max_gap, late;
  Duration max_skew;
  double no_data_after = 3;
  std::optional<std::string> active_when;
  bool sensor_faults = true;
  std::vector<std::string> sensor_range;
  double range_spans = SensorFaultSettings{}.spans;
  double stuck_factor = SensorFaultSettings{}.stuck_factor;
  std::vector<std::string> maintenance;

  static void fields(auto& self, auto&& field) {
    field("period", self.period,
          "put readings on a grid of this step, for sensors that publish apart or at different rates; 0: rows keep "
          "their stamps");
    field("fill", self.fill, "on the grid: the last value, or the line between neighbours (a row then waits for them)",
          OneOf{{"hold", "interpolate"}});
    field("max_gap", self.max_gap,
          "a value stands in for no longer than this, and a longer pause starts the window anew; 0: never; left out: 5 "
          "periods");
    field(
        "late", self.late,
        "wait so long, by the stamps, for readings that come in the wrong order; left out: one period on a grid, else "
        "0");
    field("max_skew", self.max_skew,
          "a stamp further than this from its arrival is a fault of the sender's clock; 0: not looked at (recorded "
          "readings are old)");
    field("no_data_after", self.no_data_after, "periods of silence until an asset's state is no_data; 0: never",
          AtLeast{0});
    field("active_when", self.active_when, "the machine is at work: 'rpm > 100', instead of what the bundle says");
    field("sensor_faults", self.sensor_faults,
          "tell stuck, dead and impossible sensors by rules, and mask them from the model");
    field("sensor_range", self.sensor_range, "what a sensor can show: flow=0..40; may be repeated");
    field("range_spans", self.range_spans,
          "other sensors are out of range so many train ranges beyond their train range; 0: never", AtLeast{0});
    field("stuck_factor", self.stuck_factor,
          "a sensor is stuck when it stands still so many times longer than ever in training; 0: never", AtLeast{0});
    field("maintenance", self.maintenance,
          "mute alerts: SENSOR@START/END, SENSOR may be all; more windows come on ORG/maintenance/SENSOR");
  }
};

struct ManageSettings {
  MqttSettings mqtt;
  KafkaSettings kafka;
  TopicSettings topic;
  std::string client_id;
  std::string server_url, server_token, model;
  Duration follow = seconds(5);
  std::optional<double> threshold;
  std::string budget;
  EpisodeSettings episodes;
  std::int64_t healthy_start = 0;
  ReadingSettings readings;
  NotifySettings notify;
  InfluxWriteSettings influx;
  std::string shard;
  fs::path state_dir;
  bool durable = false;
  std::int64_t spool_megabytes = 1000;
  Duration snapshot_every = seconds(10);
  std::int64_t max_assets = 10'000;
  std::int64_t max_queue = 4096;
  std::int64_t batch_size = 64;
  Duration batch_wait = milliseconds(10);
  Duration drain_timeout = seconds(30);
  fs::path record, replay;
  fs::path store;
  std::int64_t store_megabytes = 1000;
  Duration store_keep;

  static void fields(auto& self, auto&& field) {
    MqttSettings::fields(self.mqtt, field);
    KafkaSettings::fields(self.kafka, field);
    TopicSettings::fields(self.topic, field);
    field("client_id", self.client_id,
          "name at the broker, which keeps messages for it while it is away (default: manage-ORG-SENSOR)");
    field("server_url", self.server_url, "have windows judged by this server (anomctl serve) instead of here");
    field("server_token", self.server_token, "API token for the server; its scopes must hold infer and read", Secret{});
    field("model", self.model,
          "registered model that judges, NAME@champion or NAME/3: an alias is followed, and what it names takes over "
          "between two rows; with server-url the server's model (default: the only one)");
    field("follow", self.follow, "look this often where the alias points, 0: never");
    field("threshold", self.threshold, "this limit instead of the bundle's");
    field("budget", self.budget, "the limit for so many false episodes of an asset: 1/week, also hour, day, month");
    EpisodeSettings::fields(self.episodes, field);
    field(
        "healthy_start", self.healthy_start,
        "so many rows at the start of a run are taken to be healthy: the panel is centred on them, within bounds, and "
        "no score gets higher by it; 0: none",
        Between{0, 1e6});
    field("latch", self.episodes.latch, "an episode stays open until it is acknowledged on the maintenance topic");
    ReadingSettings::fields(self.readings, field);
    NotifySettings::fields(self.notify, field);
    InfluxWriteSettings::fields(self.influx, field);
    field("shard", self.shard, "judge only a part of the assets: i/n, from 0/n on");
    field("state_dir", self.state_dir,
          "folder that keeps readings, verdicts, windows and episodes over a restart or a kill: a reading is in it "
          "before it is acknowledged, a verdict until the broker has acknowledged it");
    field("durable", self.durable, "also over a power cut: waits for the disk before it acknowledges");
    field(
        "spool_megabytes", self.spool_megabytes,
        "most megabytes of readings, and as many of verdicts, that wait in state-dir; then the oldest are dropped and "
        "counted",
        Between{1, 1e6});
    field("snapshot_every", self.snapshot_every, "how often the state of an asset is written");
    field("max_assets", self.max_assets, "most assets; readings of others are counted and left out", Between{1, 1e7});
    field("max_queue", self.max_queue,
          "readings that may wait in memory; more wait in state-dir, or without one the broker is held back",
          Between{1, 1e7});
    field("batch_size", self.batch_size, "most windows judged at once", Between{1, 65'536});
    field("batch_wait", self.batch_wait,
          "how long a reading waits for those of other assets, to be judged with them: several at once cost less");
    field("drain_timeout", self.drain_timeout, "after SIGTERM waiting readings and verdicts get this long");
    field("record", self.record, "append every reading to this file, with the time it came");
    field("replay", self.replay,
          "judge this recording instead of a broker's readings, and print what would have been published");
    field("store", self.store,
          "keep readings, verdicts and episodes in this SQLite file, beside people's labels: for the page, anomctl "
          "label and create-datasets --source store");
    field("store_megabytes", self.store_megabytes, "most megabytes of the store; then the oldest rows go",
          Between{1, 1e6});
    field("store_keep", self.store_keep, "how long the store keeps rows, 0: as long as there is room");
  }
};

// Throws UsageError for settings that do not go together.
void validate(const ManageSettings& settings);

struct ManageCounts {
  std::int64_t messages = 0, unreadable = 0, left_out = 0;  // left_out: of assets beyond max_assets
  std::int64_t readings = 0, duplicates = 0, conflicting = 0, late = 0, set_back = 0, skewed = 0, crowded = 0;
  std::int64_t idle = 0, silent = 0, faulty = 0,
               gaps = 0;  // verdicts idle, no_data; rows with a sensor fault; restarts
  std::int64_t muted_verdicts = 0, muted_alerts = 0;
  std::int64_t notified = 0, not_notified = 0;  // alerts to webhooks and commands
  std::int64_t rows = 0, verdicts = 0, anomalous = 0, episodes = 0, assets = 0;
  std::int64_t repeated = 0;                            // delivered again, and recognised
  std::int64_t missing = 0;                             // rows that never came, where a connection began
  std::int64_t dropped = 0;                             // readings and verdicts, beyond spool_megabytes
  std::int64_t lost = 0;                                // readings and verdicts, by damage to state_dir
  bool all_published = false;                           // the broker acknowledged every verdict
  std::int64_t stored = 0, not_stored = 0;              // rows in the store; dropped, for it could not be written
  std::int64_t influx_written = 0, influx_dropped = 0;  // points
  std::int64_t kept = 0;                                // verdicts and alerts that wait in state_dir for the next start
};

// How the stream does, for people.
struct ManageHealth {
  ManageCounts counts;
  bool connected = false;                        // to the broker
  std::int64_t waiting = 0, unacknowledged = 0;  // readings to be judged (in memory); verdicts the broker has not taken
  double delay_ms = 0, delay_p99_ms = 0;  // from a reading's arrival to its verdict's sending, of the last second
  std::string client_id, model, trouble;  // trouble: why readings are not acknowledged, empty: they are
  std::int64_t stored = 0, store_waiting = 0, not_stored = 0;  // rows of the store; not_stored: dropped
  std::string store_trouble;
};

// A row, or the silence instead of one, and what was said of it; views that end with the call.
struct JudgedRow {
  const std::string& asset;
  const Verdict& verdict;
  const Bundle& bundle;              // columns k
  std::span<const double> values;    // (k), as they came; empty: silence
  std::span<const double> expected;  // (k), NaN where nothing was expected; empty: of none
  const Detector& detector;
  const std::string& before;  // now and then what it remembered before this row (see read_state_before), else empty
  std::int64_t place = 0;     // of this asset's rows since its state was handed on last without following
};

// Of JudgedRow::before: the stamp of the last row before, and Detector::snapshot. Throws Error(bad_input).
struct StateBefore {
  Nanoseconds last = 0;
  std::string snapshot;
};
StateBefore read_state_before(const std::string& bytes);

// What judges: a bundle and its model.
struct JudgingModel {
  std::shared_ptr<const Bundle> bundle;
  std::shared_ptr<const WindowModel> model;
};

struct ManageParts {
  std::shared_ptr<const Bundle> bundle;      // null with a server_url
  std::shared_ptr<const WindowModel> model;  // of the bundle
  // What shall judge from the next row on, in place of bundle and model; nothing while it stays the same. Must not block.
  std::function<std::optional<JudgingModel>()> next_model;
  HttpClientSettings http;
  std::function<void(const std::string& client_id)> on_ready;  // subscribed
  std::function<void(const JudgedRow&)> on_judged;
  std::function<void(const Episode&)> on_episode;
  std::function<void(const ManageHealth&)> on_health;  // once a second
  // Assets whose latched episode a person has seen; null: only the maintenance topic says so.
  BoundedQueue<std::string>* acknowledged = nullptr;
  std::function<void(const std::string& topic, const std::string& payload)> on_message;  // of a replay
};

// Until `stop`. Throws Error(unreachable) when broker or server cannot be reached at the start.
ManageCounts run_manage(const ManageSettings& settings, const ManageParts& parts, std::stop_token stop);

}  // namespace anomctl
