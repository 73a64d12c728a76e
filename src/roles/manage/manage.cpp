#include "anomctl/roles/manage.h"

#include <fmt/format.h>

#include <atomic>
#include <thread>

#include "anomctl/core/bounded_queue.h"
#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"
#include "roles/manage/assets.h"

namespace anomctl {
namespace {

using namespace manage;

struct Arrived {
  std::string asset, payload;
  Nanoseconds received = 0;
};

std::string status_message(const char* state, const std::string& model) {
  Json json = Json::object();
  json["state"] = state;
  json["time"] = format_stamp(system_clock().now() / kMillisecond * kMillisecond);
  json["model"] = model;
  return json.dump();
}

// The bundle as the server describes it, without weights.
std::shared_ptr<const Bundle> remote_bundle(const v2::RemoteModel& remote) {
  const Json* parameters = remote.metadata.find("parameters");
  const Json* detector = parameters != nullptr ? parameters->find("detector") : nullptr;
  if (detector == nullptr || !detector->is_object())
    throw UsageError(
        fmt::format("model {}: the server does not say how its rows are scored (a panel keeps its state "
                    "here): give --bundle",
                    remote.name));
  return std::make_shared<Bundle>(bundle_from_json(*detector, "the server's model"));
}

class Manager {
 public:
  Manager(const ManageSettings& settings, const ManageParts& parts, std::stop_token stop)
      : settings_(settings),
        parts_(parts),
        stop_(stop),
        queue_(static_cast<std::size_t>(settings.max_queue), WhenFull::wait) {
    open_model();
    id_ = settings.client_id.empty() ? default_id() : settings.client_id;
    assets_ = std::make_unique<Assets>(settings_, bundle_, [this](Asset& asset) { return make_judge(asset); });
    std::vector<std::string> names;
    for (const Column& column : bundle_->columns) names.push_back(column.name);
    payload_ = std::make_unique<SensorPayload>(names);
  }

  ManageCounts run() {
    // Two connections: readings stop coming before the last verdicts go out, and a full queue holds back only the one
    // that reads.
    MqttClient out(settings_.mqtt, out_parts());
    MqttClient in(settings_.mqtt, in_parts());
    out_ = &out;
    if (!out.connect(stop_) || !in.connect(stop_)) return counts_;
    const std::string filter = settings_.topic.topic_org + "/sensor/+";
    in.subscribe(filter);
    reconnected_ = false;
    tell("ready");
    log_info("judging {}/sensor/{} with {}", settings_.topic.topic_org, settings_.topic.topic_sensor, bundle_->name);
    if (parts_.on_ready) parts_.on_ready(id_);

    std::stop_source ended;
    const std::stop_callback pass_on(stop_, [&] { ended.request_stop(); });
    std::jthread closer([&] {
      while (!wait_for_stop(ended.get_token(), 3'600'000)) {
      }
      drain_until_ = system_clock().steady() + settings_.drain_timeout.ns;
      in.disconnect();
      queue_.close();
      closed_ = true;
    });
    try {
      judge_all(in, filter);
    } catch (...) {
      queue_.close();  // frees the library's thread before the connection ends
      ended.request_stop();
      throw;
    }
    counts_.all_published = out.flush(settings_.drain_timeout);
    tell("stopped");
    out.flush(seconds(2));
    out.disconnect();
    counts_.assets = static_cast<std::int64_t>(assets_->size());
    return counts_;
  }

 private:
  std::string default_id() const {
    std::string id = fmt::format("manage-{}-{}", settings_.topic.topic_org,
                                 settings_.topic.topic_sensor == "+" ? "all" : settings_.topic.topic_sensor);
    const auto [shard, shards] = parse_shard(settings_.shard);
    return shards == 1 ? id : fmt::format("{}-{}-of-{}", id, shard, shards);
  }

  void open_model() {
    if (settings_.server_url.empty()) {
      bundle_ = parts_.bundle;
      return;
    }
    server_ = std::make_unique<v2::Client>(settings_.server_url, settings_.model, parts_.http);
    const v2::RemoteModel remote = server_->describe();
    bundle_ = remote_bundle(remote);
  }

  std::unique_ptr<RowJudge> make_judge(Asset& asset) {
    const VerdictSink sink = [this, &asset](const Verdict& verdict) { publish(asset, verdict); };
    const auto batch = static_cast<std::size_t>(settings_.batch_size);
    if (server_ == nullptr) return std::make_unique<LocalJudge>(asset.detector, *parts_.model, batch, sink);
    return std::make_unique<RemoteJudge>(asset.detector, *server_, bundle_->targets(), bundle_->columns.size(), batch,
                                         sink, stop_);
  }

  MqttParts out_parts() {
    MqttParts parts;
    parts.client_id = id_ + "-out";
    parts.session_expiry = seconds(300);
    parts.will = MqttMessage{status_topic(), status_message("lost", bundle_->name), true};
    parts.on_lost = [](const std::string& why) { log_warning("the broker is away: {}; trying again", why); };
    parts.on_refused = [told = false](const std::string& why) mutable {
      if (!std::exchange(told, true)) log_warning("the broker refuses verdicts: {}", why);
    };
    return parts;
  }

  MqttParts in_parts() {
    MqttParts parts;
    parts.client_id = id_;
    parts.on_connected = [this] { reconnected_ = true; };
    parts.on_message = [this](MqttMessage message) {
      if (message.retained) return;  // an old reading, not a new one
      const std::size_t slash = message.topic.rfind('/');
      Arrived arrived{message.topic.substr(slash + 1), std::move(message.payload), system_clock().now()};
      if (assets_->ours(arrived.asset)) queue_.push(std::move(arrived));
    };
    return parts;
  }

  std::string status_topic() const { return fmt::format("{}/status/{}", settings_.topic.topic_org, id_); }
  void tell(const char* state) { out_->publish(status_topic(), status_message(state, bundle_->name), true, {}); }

  void judge_all(MqttClient& in, const std::string& filter) {
    constexpr auto kLook = std::chrono::milliseconds(200);
    Nanoseconds saved = system_clock().steady();
    for (;;) {
      std::optional<Arrived> arrived = queue_.pop_for(kLook);
      if (arrived) take(*arrived);
      if (queue_.size() == 0) assets_->flush();
      if (!arrived && closed_ && queue_.size() == 0) break;
      if (drain_until_ != 0 && system_clock().steady() > drain_until_) {
        log_warning("{} readings were left unjudged: the drain timeout is over", queue_.size());
        break;
      }
      if (reconnected_.exchange(false) && !stop_.stop_requested()) in.subscribe(filter);
      if (system_clock().steady() - saved > settings_.snapshot_every.ns) {
        assets_->flush();
        assets_->save();
        saved = system_clock().steady();
      }
    }
    assets_->finish();
    assets_->save();
  }

  void take(const Arrived& arrived) {
    ++counts_.messages;
    const SensorPayload::Result result = payload_->parse(arrived.payload);
    if (!result.error.empty()) {
      ++counts_.unreadable;
      const Nanoseconds now = system_clock().steady();
      if (now - complained_ > 10 * kSecond || complained_ == 0)
        log_warning("a reading of {} cannot be used: {} ({} so far)", arrived.asset, result.error, counts_.unreadable);
      if (now - complained_ > 10 * kSecond || complained_ == 0) complained_ = now;
      return;
    }
    Asset* asset = assets_->find(arrived.asset);
    if (asset == nullptr) {
      if (++counts_.left_out == 1)
        log_warning("{}: there are {} assets already (max-assets), its readings are left out", arrived.asset,
                    settings_.max_assets);
      return;
    }
    rows_.clear();
    for (const auto& reading : result.readings) asset->assembler.add(reading, arrived.received, rows_);
    for (const Row& row : rows_) asset->judge->push(row);
    counts_.rows += static_cast<std::int64_t>(rows_.size());
  }

  void publish(Asset& asset, const Verdict& verdict) {
    const std::string& org = settings_.topic.topic_org;
    ++counts_.verdicts;
    counts_.anomalous += verdict.is_anomaly;
    out_->publish(fmt::format("{}/anomaly/{}", org, asset.name), to_json(verdict).dump(), false, {});
    if (parts_.on_verdict) parts_.on_verdict(asset.name, verdict);
    for (const Episode& episode : asset.detector.take_episodes()) {
      counts_.episodes += !episode.closed;
      out_->publish(fmt::format("{}/alert/{}", org, asset.name), to_json(episode).dump(), false, {});
      if (parts_.on_episode) parts_.on_episode(episode);
    }
  }

  const ManageSettings& settings_;
  const ManageParts& parts_;
  std::stop_token stop_;
  BoundedQueue<Arrived> queue_;
  std::string id_;
  std::shared_ptr<const Bundle> bundle_;
  std::unique_ptr<v2::Client> server_;
  std::unique_ptr<Assets> assets_;
  std::unique_ptr<SensorPayload> payload_;
  MqttClient* out_ = nullptr;
  std::vector<Row> rows_;
  ManageCounts counts_;
  Nanoseconds complained_ = 0;
  std::atomic<bool> reconnected_{false}, closed_{false};
  std::atomic<Nanoseconds> drain_until_{0};
};

}  // namespace

void validate(const ManageSettings& settings) {
  check_topic_level(settings.topic.topic_org, "topic-org");
  if (settings.topic.topic_sensor != "+") check_topic_level(settings.topic.topic_sensor, "topic-sensor");
  if (!settings.client_id.empty()) check_topic_level(settings.client_id, "client-id");
  if (settings.server_url.empty() && !settings.model.empty()) throw UsageError("model needs server-url");
  parse_shard(settings.shard);
}

ManageCounts run_manage(const ManageSettings& settings, const ManageParts& parts, std::stop_token stop) {
  validate(settings);
  return Manager(settings, parts, stop).run();
}

}  // namespace anomctl
