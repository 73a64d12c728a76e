#include "anomctl/roles/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"
#include "anomctl/data/sensor_payload.h"
#include "roles/generate/disturbance.h"

namespace anomctl {
namespace {

// When each row of each asset is due, on the steady clock: assets share the time of a row, so that messages come evenly.
class Pace {
 public:
  Pace(const GenerateSettings& settings, double period_s)
      : rate_(settings.rate.value_or(-1)),
        speed_(settings.speed.value_or(1)),
        period_s_(period_s),
        assets_(static_cast<double>(settings.assets)) {}
  // Waits until `row` (from 0) of `asset` is due; `time` is the stamp of the first asset's row. False when stopped.
  bool wait(std::int64_t row, std::size_t asset, Nanoseconds time, std::stop_token stop) {
    const Nanoseconds now = system_clock().steady();
    if (row == 0 && asset == 0) {
      begin_ = now;
      first_time_ = time;
    }
    if (rate_ == 0) return !stop.stop_requested();
    const double share = static_cast<double>(asset) / assets_;
    const double after_s =
        rate_ >= 0
            ? (static_cast<double>(row) + share) / rate_
            : (static_cast<double>(time - first_time_) / static_cast<double>(kSecond) + share * period_s_) / speed_;
    const double wait_ms = after_s * 1e3 - static_cast<double>(now - begin_) / 1e6;
    if (wait_ms < 1) return !stop.stop_requested();
    return !wait_for_stop(stop, static_cast<long long>(wait_ms));
  }

 private:
  double rate_;  // negative: by the rows' stamps
  double speed_, period_s_, assets_;
  Nanoseconds begin_ = 0, first_time_ = 0;
};

// Stamps of rows: their own moved so that the first has the wanted one; each round goes on where the last one ended.
class Stamps {
 public:
  Stamps(std::optional<Nanoseconds> first, double period_s)
      : period_(static_cast<Nanoseconds>(period_s * static_cast<double>(kSecond))), first_(first) {}
  void begin_round() { in_round_ = false; }
  void stamp(Row& row) {
    if (!in_round_ && rounds_++ == 0)
      offset_ = first_ ? *first_ - row.time : 0;
    else if (!in_round_)
      offset_ = last_ + period_ - row.time;
    in_round_ = true;
    row.time += offset_;
    last_ = row.time;
  }

 private:
  Nanoseconds period_;
  std::optional<Nanoseconds> first_;
  bool in_round_ = false;
  std::int64_t rounds_ = 0;
  Nanoseconds offset_ = 0, last_ = 0;
};

std::optional<Nanoseconds> first_stamp(const GenerateSettings& settings, const GenerateParts& parts) {
  if (!settings.start_time.empty()) return parse_stamp(settings.start_time)->time;
  if (parts.has_times) return std::nullopt;
  return system_clock().now() / kMillisecond * kMillisecond;
}

std::vector<FaultSpec> faults_of(const GenerateSettings& settings) {
  std::vector<FaultSpec> faults;
  for (const std::string& text : settings.fault) faults.push_back(parse_fault(text));
  return faults;
}

// One machine: its rows, stamped, with faults, as messages.
class AssetStream {
 public:
  AssetStream(const GenerateSettings& settings, const GenerateParts& parts, std::int64_t number,
              std::optional<Nanoseconds> first)
      : parts_(parts),
        number_(number),
        name_(settings.assets == 1 ? settings.topic.topic_sensor
                                   : fmt::format("{}-{}", settings.topic.topic_sensor, number)),
        topic_(fmt::format("{}/sensor/{}", settings.topic.topic_org, name_)),
        loop_(settings.loop),
        source_(parts.open(number)),
        stamps_(first, parts.period_s),
        way_(settings.disturbance, static_cast<std::uint64_t>(number)) {
    if (!settings.fault.empty() && !parts.faults_in_rows)
      faults_.emplace(source_->columns(), faults_of(settings),
                      settings.disturbance.seed + static_cast<std::uint64_t>(number));
  }
  // False at the end. Throws Error for input that cannot be used.
  bool next() {
    if (!source_->next(row_)) {
      if (round_rows_ == 0) throw input_error("there are no rows to send");
      if (!loop_) return false;
      source_ = parts_.open(number_);
      stamps_.begin_round();
      round_rows_ = 0;
      return next();
    }
    ++round_rows_;
    stamps_.stamp(row_);
    if (faults_) {
      faults_->apply(row_);
      for (; told_ < faults_->truth().size(); ++told_)
        if (parts_.on_fault) parts_.on_fault(name_, faults_->truth()[told_]);
    }
    return true;
  }
  const Row& row() const { return row_; }
  // What goes out now, in order.
  std::vector<std::string> messages() { return way_.push(sensor_message(source_->columns(), row_)); }
  std::vector<std::string> last_messages() { return way_.finish(); }
  const std::string& topic() const { return topic_; }
  const Disturbance& way() const { return way_; }

 private:
  const GenerateParts& parts_;
  std::int64_t number_;
  std::string name_, topic_;
  bool loop_;
  std::unique_ptr<RowSource> source_;
  Stamps stamps_;
  Disturbance way_;
  std::optional<FaultInjector> faults_;
  std::size_t told_ = 0;
  std::int64_t round_rows_ = 0;
  Row row_;
};

class Sender {
 public:
  Sender(const GenerateSettings& settings, const GenerateParts& parts, std::stop_token stop)
      : settings_(settings), parts_(parts), stop_(stop), pace_(settings, parts.period_s) {
    const std::optional<Nanoseconds> first = first_stamp(settings, parts);
    for (std::int64_t i = 0; i < settings.assets; ++i)
      streams_.push_back(std::make_unique<AssetStream>(settings, parts, i, first));
  }
  // True when all rows are out, false when stopped.
  bool send_all(MqttClient& client, GenerateCounts& counts) {
    bool any = true;
    for (; any && (settings_.rows < 0 || counts.rows < settings_.rows); counts.rows += any ? 1 : 0) {
      any = false;
      for (std::size_t i = 0; i < streams_.size(); ++i) {
        AssetStream& stream = *streams_[i];
        if (!stream.next()) continue;
        any = true;
        if (i == 0) base_time_ = stream.row().time;
        if (!pace_.wait(counts.rows, i, base_time_, stop_)) return false;
        for (std::string& message : stream.messages())
          if (!publish(client, stream, std::move(message))) return false;
        if (i == 0 && parts_.on_row) parts_.on_row(counts.rows, stream.row());
      }
    }
    for (const auto& stream : streams_)
      for (std::string& message : stream->last_messages())
        if (!publish(client, *stream, std::move(message))) return false;
    return true;
  }
  void count(GenerateCounts& counts) const {
    for (const auto& stream : streams_) {
      counts.dropped += stream->way().dropped();
      counts.duplicated += stream->way().duplicated();
      counts.late += stream->way().late();
      counts.disordered += stream->way().disordered();
    }
  }

 private:
  bool publish(MqttClient& client, const AssetStream& stream, std::string message) {
    return client.publish(stream.topic(), std::move(message), false, stop_);
  }

  const GenerateSettings& settings_;
  const GenerateParts& parts_;
  std::stop_token stop_;
  Pace pace_;
  std::vector<std::unique_ptr<AssetStream>> streams_;
  Nanoseconds base_time_ = 0;
};

}  // namespace

void validate(const GenerateSettings& settings) {
  check_topic_level(settings.topic.topic_org, "topic-org");
  check_topic_level(settings.topic.topic_sensor, "topic-sensor");
  if (settings.rate && settings.speed) throw UsageError("rate and speed exclude each other: give one");
  if (const double rate = settings.rate.value_or(0); !std::isfinite(rate) || rate < 0)
    throw UsageError(fmt::format("rate {}: expected a number from 0 on", rate));
  if (const double speed = settings.speed.value_or(1); !std::isfinite(speed) || speed <= 0)
    throw UsageError(fmt::format("speed {}: expected a number over 0", speed));
  if (!settings.start_time.empty() && !parse_stamp(settings.start_time))
    throw UsageError(fmt::format("start-time '{}' is no stamp (2026-01-02T03:04:05Z)", settings.start_time));
  faults_of(settings);
}

GenerateCounts run_generate(const GenerateSettings& settings, const GenerateParts& parts, std::stop_token stop) {
  validate(settings);
  MqttParts mqtt;
  mqtt.session_expiry = seconds(300);
  mqtt.on_lost = [&parts](const std::string& why) {
    log_warning("the broker is away: {}; trying again", why);
    if (parts.on_broker) parts.on_broker(why);
  };
  mqtt.on_connected = [&parts] {
    if (parts.on_broker) parts.on_broker("");
  };
  // One that is refused is followed by others that are.
  std::stop_source ended;
  const std::stop_callback pass_on(stop, [&] { ended.request_stop(); });
  mqtt.on_refused = [&ended](const std::string& why) {
    if (!ended.stop_requested()) log_warning("the broker refuses readings: {}", why);
    ended.request_stop();
  };
  mqtt.publish_qos = static_cast<int>(settings.qos);
  Sender sender(settings, parts, ended.get_token());
  MqttClient client(settings.mqtt, std::move(mqtt));
  GenerateCounts counts;
  if (!client.connect(stop)) return counts;
  const Nanoseconds began = system_clock().steady();
  const bool stopped = !sender.send_all(client, counts);

  // What was handed over is waited for even after a stop: nothing accepted is lost.
  const Duration longest = client.refused() > 0 ? seconds(1) : stopped ? seconds(5) : settings.flush_timeout;
  const bool all = client.flush(std::min(settings.flush_timeout, longest));
  client.disconnect();
  counts.published = client.published();
  counts.acknowledged = client.acknowledged();
  counts.refused = client.refused();
  counts.seconds = static_cast<double>(system_clock().steady() - began) / 1e9;
  sender.count(counts);
  counts.complete = all && !stopped && counts.refused == 0;
  return counts;
}

}  // namespace anomctl
