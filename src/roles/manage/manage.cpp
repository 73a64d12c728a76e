#include "anomctl/roles/manage.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <future>
#include <mutex>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"
#include "roles/manage/asset_name.h"
#include "roles/manage/client_id.h"
#include "roles/manage/delays.h"
#include "roles/manage/history.h"
#include "roles/manage/hold_back.h"
#include "roles/manage/influx_sink.h"
#include "roles/manage/kafka_manager.h"
#include "roles/manage/manager_status.h"
#include "roles/manage/notices.h"
#include "roles/manage/outbox.h"
#include "roles/manage/recording.h"
#include "roles/manage/replayed.h"
#include "roles/manage/stream.h"

namespace anomctl {
namespace {

using namespace manage;

// Readings that are judged before what came of them is stored and sent, at most.
constexpr int kReadingsAtOnce = 256;
constexpr std::size_t kStatesAtOnce = 64;

class Manager {
 public:
  Manager(const ManageSettings& settings, const ManageParts& parts, const History& history, std::stop_token stop)
      : settings_(settings),
        stop_(stop),
        history_(history),
        parts_(parts),
        id_(settings.client_id.empty() ? default_client_id(settings) : settings.client_id),
        stream_(
            settings, parts, [this](std::string t, std::string p) { say(std::move(t), std::move(p)); }, stop),
        outbox_(outbox_settings()),
        notices_(settings, parts.http, [this](std::uint64_t number) { outbox_.acknowledged(number); }),
        inbox_(inbox_settings()),
        filters_{settings.topic.topic_org + "/sensor/+", settings.topic.topic_org + "/maintenance/+"} {
    for (const std::string& asset : outbox_.assets())
      if (const auto state = outbox_.state(asset)) stream_.restore(asset, *state);
    if (!settings.record.empty()) recorder_.emplace(settings.record, settings.topic.topic_org + "/sensor/");
    warn_of_damage(settings_.state_dir, inbox_.damage(), outbox_.damage());
  }

  ManageCounts run() {
    // Two connections: readings stop coming before the last verdicts go out, and are held back while those go on.
    MqttClient out(settings_.mqtt, out_parts());
    MqttClient in(settings_.mqtt, in_parts());
    out_ = &out;
    // At the same time, for the library takes a second for each.
    auto out_connected = std::async(std::launch::async, [&] { return out.connect(stop_); });
    const bool in_connected = in.connect(stop_);
    if (!out_connected.get() || !in_connected) return counts();
    session_present_ = in.session_present();
    for (const std::string& filter : filters_) in.subscribe(filter);
    listening_since_ = system_clock().now();
    reconnected_ = false;
    tell("ready");
    log_info("judging {}/sensor/{} with {}", settings_.topic.topic_org, settings_.topic.topic_sensor,
             stream_.bundle().name);
    if (parts_.on_ready) parts_.on_ready(id_);

    std::stop_source ended;
    const std::stop_callback pass_on(stop_, [&] { ended.request_stop(); });
    std::jthread gate([&] {
      hold_back(in, inbox_, ended.get_token());
      in.disconnect();
      gate_closed_ = true;
    });
    std::jthread closer([&](std::stop_token judged) {
      while (!wait_for_stop(ended.get_token(), 3'600'000)) {
      }
      drain_until_ = system_clock().steady() + settings_.drain_timeout.ns;
      while (!gate_closed_ && !wait_for_stop(judged, 20)) end_if_stuck();
      inbox_.close();
      closed_ = true;
      if (!wait_for_stop(judged, settings_.drain_timeout.ns / kMillisecond)) given_up_.request_stop();
    });
    try {
      judge_all();
    } catch (...) {
      inbox_.close();  // frees the library's thread before the connection ends
      ended.request_stop();
      throw;
    }
    closer.request_stop();
    ManageCounts done = counts();
    done.all_published = out.flush(settings_.drain_timeout, given_up_.get_token());
    notices_.finish(settings_.drain_timeout, outbox_.keeps());
    outbox_.commit(outbox_.judged(), {}, given_up_.get_token());  // forgets what was acknowledged
    notices_.count(done);
    done.not_notified += outbox_.notices_at_risk();
    done.kept = static_cast<std::int64_t>(outbox_.waiting());
    tell("stopped");
    out.flush(seconds(2));
    out.disconnect();
    return done;
  }

 private:
  std::uint64_t max_bytes() const { return static_cast<std::uint64_t>(settings_.spool_megabytes) * 1'000'000; }

  void say(std::string topic, std::string payload) {
    notices_.make(topic, payload, [this](std::string t, std::string p) { outbox_.add(std::move(t), std::move(p)); });
    outbox_.add(std::move(topic), std::move(payload));
  }

  OutboxSettings outbox_settings() {
    OutboxSettings outbox;
    outbox.folder = settings_.state_dir;
    outbox.durable = settings_.durable;
    outbox.max_bytes = max_bytes();
    outbox.send = [this](const std::string& topic, const std::string& payload, std::uint64_t number) {
      if (!Notices::is_notice(topic)) return out_->publish(topic, payload, false, given_up_.get_token(), number);
      notices_.deliver(topic, payload, number);
      return true;
    };
    outbox.is_notice = Notices::is_notice;
    outbox.on_trouble = [this](const std::string& why) { tell_trouble(why.empty() ? inbox_.trouble() : why); };
    return outbox;
  }

  InboxSettings inbox_settings() {
    InboxSettings inbox;
    inbox.folder = settings_.state_dir;
    inbox.durable = settings_.durable;
    inbox.max_bytes = max_bytes();
    inbox.max_in_memory = static_cast<std::size_t>(settings_.max_queue);
    inbox.settled = outbox_.judged();
    inbox.stamped = [this](const std::string& payload) { return stream_.stamped(payload); };
    return inbox;
  }

  MqttParts out_parts() {
    MqttParts parts;
    parts.client_id = id_ + "-out";
    parts.session_expiry = seconds(300);
    parts.will = MqttMessage{status_topic(), status("lost"), true};
    parts.on_lost = [this, few = LogPause(1)](const std::string& why) mutable {
      const bool often = !few.due(system_clock().steady());
      log_warning("the broker is away: {}; trying again{}", why,
                  often ? fmt::format(" (does another client use the id {} too?)", id_) : "");
    };
    parts.on_taken_over = [this] { be_taken_over(); };
    parts.on_acknowledged = [this](std::uint64_t number) { outbox_.acknowledged(number); };
    parts.on_refused = [told = false](const std::string& why) mutable {
      if (!std::exchange(told, true)) log_warning("the broker refuses verdicts: {}", why);
    };
    return parts;
  }

  MqttParts in_parts() {
    MqttParts parts;
    parts.client_id = id_;
    parts.on_connected = [this] { connected_ = reconnected_ = true; };
    parts.on_lost = [this](const std::string&) { connected_ = false; };  // the other connection says so
    parts.on_taken_over = [this] { be_taken_over(); };
    parts.on_message = [this](MqttMessage message) {
      const std::size_t slash = message.topic.rfind('/');
      const bool of_sensor = message.topic.substr(0, slash).ends_with("/sensor");
      if (of_sensor && message.retained) return;  // an old reading, not a new one
      Reading reading{0, message.topic.substr(slash + 1), std::move(message.payload), system_clock().now()};
      if (!is_asset_name(reading.asset)) {  // an empty level of a topic, or a sign that no text holds
        ++nameless_;
        return;
      }
      if (!stream_.ours(reading.asset) && (of_sensor || reading.asset != kAllAssets)) return;
      mark(reading.payload, of_sensor);
      std::lock_guard lock(putting_);
      inbox_.put(std::move(reading));
    };
    return parts;
  }

  void be_taken_over() {
    taken_over_ = true;
    given_up_.request_stop();
  }
  void end_if_taken_over() const {
    if (taken_over_) throw taken_over(id_);
  }

  // Notes of silent assets go through the queue of readings, so that a restart and a recording know of them.
  void look_for_silence() {
    const Nanoseconds now = system_clock().now();
    const std::unique_lock lock(putting_, std::try_to_lock);
    if (!lock || !connected_ || closed_ || !inbox_.idle() || !inbox_.trouble().empty()) return;
    for (const std::string& asset : stream_.silent(now, listening_since_))
      inbox_.put({0, asset, std::string(1, kSilenceMark), now});
  }

  std::string status_topic() const { return fmt::format("{}/status/{}", settings_.topic.topic_org, id_); }
  std::string status(const char* state) const {
    return ManagerStatus{state, stream_.bundle().name, trouble_.empty() ? note_ : trouble_, dropped(), lost()}.text();
  }
  void tell(const char* state) { out_->publish(status_topic(), status(state), true, given_up_.get_token()); }
  void tell_trouble(const std::string& why) {
    if (why == trouble_) return;
    const bool begins = trouble_.empty();
    trouble_ = why;
    if (why.empty())
      log_info("readings and verdicts can be stored again");
    else if (begins)
      log_warning("{}: readings are not acknowledged until there is room", why);
    tell(why.empty() ? "ready" : "not_storing");
  }
  void tell_dropped() {
    if (outbox_.notices_at_risk() > 0 && !std::exchange(told_at_risk_, true))
      log_warning("more alerts wait for webhooks or commands than spool-megabytes: an end now loses the oldest");
    if (dropped() == told_dropped_) return;
    log_warning("{} readings and verdicts that waited were dropped: there is more than spool-megabytes",
                dropped() - told_dropped_);
    told_dropped_ = dropped();
    tell(trouble_.empty() ? "ready" : "not_storing");
  }
  void tell_missing() {
    const std::int64_t missing = stream_.missing().rows();
    if (missing == told_missing_) return;
    log_warning(
        "{} readings are missing around the time the connection to the broker was made: it had not kept them, "
        "or nobody sent them",
        missing - told_missing_);
    told_missing_ = missing;
  }
  std::int64_t dropped() const { return inbox_.dropped() + outbox_.dropped(); }
  std::int64_t lost() const { return inbox_.damage().lost + outbox_.damage().lost; }

  ManageCounts counts() {
    ManageCounts all = stream_.counts();
    notices_.count(all);
    all.messages += nameless_;
    all.unreadable += nameless_;
    all.repeated = inbox_.repeated();
    all.dropped = dropped();
    all.lost = lost();
    return all;
  }

  // As if killed: an orderly end would wait for the library, and the library waits for a reading to be stored.
  void end_if_stuck() const {
    if (!inbox_.stuck()) return;
    log_error("{}: ending at once, for a reading that cannot be stored must not be acknowledged", inbox_.trouble());
    std::_Exit(1);
  }

  // What a person has seen goes the way of the maintenance topic: the spool and a recording know of it.
  void take_acknowledged() {
    if (parts_.acknowledged == nullptr || closed_) return;
    const std::unique_lock lock(putting_, std::try_to_lock);
    if (!lock || !inbox_.trouble().empty()) return;
    while (const auto asset = parts_.acknowledged->pop_for(std::chrono::nanoseconds(0)))
      inbox_.put({0, *asset, std::string(1, kMaintenanceMark) + R"({"acknowledge": true})", system_clock().now()});
  }

  void tell_health() {
    const Delays::Figures delay = delays_.take();
    if (!parts_.on_health) return;
    ManageHealth health;
    health.counts = counts();
    health.connected = connected_;
    health.waiting = static_cast<std::int64_t>(inbox_.waiting());
    health.unacknowledged = out_->published() - out_->acknowledged();
    health.delay_ms = delay.median;
    health.delay_p99_ms = delay.p99;
    health.client_id = id_;
    health.model = stream_.bundle().name;
    health.trouble = inbox_.trouble();
    history_.tell(health);
    parts_.on_health(health);
  }

  // Between two rows.
  void take_next_model(std::int64_t newest) {
    if (!parts_.next_model || closed_) return;
    const auto next = parts_.next_model();
    if (!next) return;
    stream_.flush();
    note_ = stream_.swap(*next);
    if (note_.empty())
      log_info("judging with {} from now on", stream_.bundle().name);
    else
      log_warning("{}", note_);
    // States of the model before are of no use to a restart.
    outbox_.commit(newest, stream_.states(kStatesAtOnce, true), given_up_.get_token());
    tell(trouble_.empty() ? "ready" : "not_storing");
  }

  void judge_all() {
    constexpr std::chrono::nanoseconds kLook = std::chrono::milliseconds(200);
    const std::int64_t judged_before = outbox_.judged();
    outbox_.send_again();
    stream_.missing().connected(system_clock().now(), !session_present_);
    int taken = 0;
    Nanoseconds looked = system_clock().steady();
    std::int64_t newest = judged_before;
    Nanoseconds gathered = 0;  // when the readings that were taken have waited long enough for others
    const auto wait = [&] {
      const Nanoseconds left = gathered - system_clock().steady();
      return taken == 0 ? kLook : std::chrono::nanoseconds(std::max<Nanoseconds>(0, left));
    };
    for (;;) {
      const std::optional<Reading> reading = inbox_.pop_for(wait());
      end_if_taken_over();
      if (reading) {
        if (taken == 0) gathered = system_clock().steady() + settings_.batch_wait.ns;
        stream_.take(*reading, reading->number <= judged_before);
        newest = std::max(newest, reading->number);
        ++taken;
        delays_.taken(reading->received);
        if (recorder_ && reading->number > judged_before) recorder_->write(*reading);
      }
      if (taken >= kReadingsAtOnce || (inbox_.idle() && system_clock().steady() >= gathered)) {
        taken = 0;
        stream_.flush();
        if (!outbox_.commit(newest, stream_.states(kStatesAtOnce, false), given_up_.get_token())) {
          end_if_taken_over();
          break;
        }
        delays_.sent(system_clock().now());
      }
      if (taken == 0) take_next_model(newest);
      if (closed_ && inbox_.idle()) break;
      if (drain_until_ != 0 && system_clock().steady() > drain_until_) {
        log_warning("the drain timeout is over: readings were left unjudged{}",
                    outbox_.keeps() ? ", they are for the next start" : "");
        break;
      }
      if (reconnected_.exchange(false)) {
        listening_since_ = system_clock().now();
        stream_.missing().connected(listening_since_, true);
      }
      if (!reading) look_for_silence();
      if (system_clock().steady() - looked > kSecond) {
        looked = system_clock().steady();
        inbox_.settle(outbox_.judged(), std::min(outbox_.judged(), stream_.needed_from() - 1));
        tell_trouble(inbox_.trouble());
        tell_dropped();
        tell_missing();
        take_acknowledged();
        tell_health();
      }
    }
    if (inbox_.idle()) stream_.finish();
    stream_.flush();
    outbox_.commit(newest, stream_.states(0, true), given_up_.get_token());
  }

  const ManageSettings& settings_;
  std::stop_token stop_;
  std::stop_source given_up_;  // stopped, and the drain timeout is over
  const History& history_;
  const ManageParts& parts_;
  std::string id_;
  Stream stream_;
  Outbox outbox_;
  Notices notices_;  // tells the outbox
  Inbox inbox_;
  std::optional<Recorder> recorder_;
  MqttClient* out_ = nullptr;
  std::string trouble_, note_;  // note_: on the model that took over last
  Delays delays_;
  std::int64_t told_dropped_ = 0, told_missing_ = 0;
  bool told_at_risk_ = false;
  std::vector<std::string> filters_;  // of the readings, of maintenance
  std::mutex putting_;                // of the inbox
  Nanoseconds listening_since_ = 0;   // wall
  bool session_present_ = false;      // when the first connection began
  std::atomic<bool> connected_{true}, reconnected_{false}, gate_closed_{false}, closed_{false}, taken_over_{false};
  std::atomic<Nanoseconds> drain_until_{0};
  std::atomic<std::int64_t> nameless_{0};  // messages on topics that name no asset
};

}  // namespace

ManageCounts run_manage(const ManageSettings& settings, const ManageParts& parts, std::stop_token stop) {
  validate(settings);
  if (!settings.replay.empty()) return replay(settings, parts, stop);
  History history(settings);
  InfluxSink influx(settings, parts.http);
  const ManageParts watched = influx.watched(history.watched(parts));
  ManageCounts counts = settings.kafka.kafka_brokers.empty() ? Manager(settings, watched, history, stop).run()
                                                             : run_kafka(settings, watched, stop);
  history.finish(counts);
  influx.finish(settings.drain_timeout, counts);
  return counts;
}

}  // namespace anomctl
