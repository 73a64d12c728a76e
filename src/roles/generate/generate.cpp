#include "anomctl/roles/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"
#include "anomctl/data/sensor_payload.h"

namespace anomctl {
namespace {

// When each row is due, on the steady clock.
class Pace {
 public:
  Pace(const GenerateSettings& settings) : rate_(settings.rate), speed_(settings.speed > 0 ? settings.speed : 1) {}
  // Waits until `row` (from 0) with stamp `time` is due; false when stopped.
  bool wait(std::int64_t row, Nanoseconds time, std::stop_token stop) {
    const Nanoseconds now = system_clock().steady();
    if (row == 0) {
      begin_ = now;
      first_time_ = time;
    }
    if (rate_ == 0) return !stop.stop_requested();
    const double after_s = rate_ > 0 ? static_cast<double>(row) / rate_
                                     : static_cast<double>(time - first_time_) / static_cast<double>(kSecond) / speed_;
    const double wait_ms = after_s * 1e3 - static_cast<double>(now - begin_) / 1e6;
    if (wait_ms < 1) return !stop.stop_requested();
    return !wait_for_stop(stop, static_cast<long long>(wait_ms));
  }

 private:
  double rate_, speed_;
  Nanoseconds begin_ = 0, first_time_ = 0;
};

// Stamps of rows: their own moved so that the first has the wanted one; each round goes on where the last one ended.
class Stamps {
 public:
  Stamps(const GenerateSettings& settings, const GenerateParts& parts)
      : period_(static_cast<Nanoseconds>(parts.period_s * static_cast<double>(kSecond))) {
    if (!settings.start_time.empty()) {
      moved_ = true;
      first_ = parse_stamp(settings.start_time)->time;
    } else if (!parts.has_times) {
      moved_ = true;
      first_ = system_clock().now() / kMillisecond * kMillisecond;
    }
  }
  void begin_round() { in_round_ = false; }
  void stamp(Row& row) {
    if (!in_round_ && rounds_++ == 0)
      offset_ = moved_ ? first_ - row.time : 0;
    else if (!in_round_)
      offset_ = last_ + period_ - row.time;
    in_round_ = true;
    row.time += offset_;
    last_ = row.time;
  }

 private:
  Nanoseconds period_;
  bool moved_ = false;
  Nanoseconds first_ = 0;
  bool in_round_ = false;
  std::int64_t rounds_ = 0;
  Nanoseconds offset_ = 0, last_ = 0;
};

std::vector<std::string> topics_of(const GenerateSettings& settings) {
  const std::string base = fmt::format("{}/sensor/{}", settings.topic.topic_org, settings.topic.topic_sensor);
  if (settings.assets == 1) return {base};
  std::vector<std::string> topics;
  for (std::int64_t i = 0; i < settings.assets; ++i) topics.push_back(fmt::format("{}-{}", base, i));
  return topics;
}

}  // namespace

void validate(const GenerateSettings& settings) {
  check_topic_level(settings.topic.topic_org, "topic-org");
  check_topic_level(settings.topic.topic_sensor, "topic-sensor");
  if (settings.rate >= 0 && settings.speed >= 0) throw UsageError("rate and speed exclude each other: give one");
  if (!std::isfinite(settings.rate) || !std::isfinite(settings.speed) || settings.speed == 0)
    throw UsageError("rate and speed: expected a positive number");
  if (!settings.start_time.empty() && !parse_stamp(settings.start_time))
    throw UsageError(fmt::format("start-time '{}' is no stamp (2026-01-02T03:04:05Z)", settings.start_time));
}

GenerateCounts run_generate(const GenerateSettings& settings, const GenerateParts& parts, std::stop_token stop) {
  validate(settings);
  MqttParts mqtt;
  mqtt.session_expiry = seconds(300);
  mqtt.on_lost = [](const std::string& why) { log_warning("the broker is away: {}; trying again", why); };
  mqtt.on_refused = [told = false](const std::string& why) mutable {
    if (!std::exchange(told, true)) log_warning("the broker refuses readings: {}", why);
  };
  MqttClient client(settings.mqtt, std::move(mqtt));
  GenerateCounts counts;
  if (!client.connect(stop)) return counts;

  const std::vector<std::string> topics = topics_of(settings);
  const Nanoseconds began = system_clock().steady();
  Pace pace(settings);
  Stamps stamps(settings, parts);
  Row row;
  const auto more = [&] { return settings.rows < 0 || counts.rows < settings.rows; };
  bool stopped = false;
  do {
    const std::unique_ptr<RowSource> source = parts.open();
    const std::int64_t before = counts.rows;
    stamps.begin_round();
    while (more() && !stopped && source->next(row)) {
      stamps.stamp(row);
      if (!pace.wait(counts.rows, row.time, stop)) {
        stopped = true;
        break;
      }
      const std::string message = sensor_message(source->columns(), row);
      for (const std::string& topic : topics) stopped = stopped || !client.publish(topic, message, false, stop);
      if (stopped) break;
      if (parts.on_row) parts.on_row(counts.rows, row);
      ++counts.rows;
    }
    if (counts.rows == before && !stopped && more()) throw input_error("there are no rows to send");
  } while (settings.loop && more() && !stopped);

  // What was handed over is waited for even after a stop: nothing accepted is lost.
  const bool all = client.flush(stopped ? std::min(settings.flush_timeout, seconds(5)) : settings.flush_timeout);
  client.disconnect();
  counts.published = client.published();
  counts.acknowledged = client.acknowledged();
  counts.refused = client.refused();
  counts.seconds = static_cast<double>(system_clock().steady() - began) / 1e9;
  counts.complete = all && !stopped && counts.refused == 0;
  return counts;
}

}  // namespace anomctl
