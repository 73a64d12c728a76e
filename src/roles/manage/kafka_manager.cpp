#include "roles/manage/kafka_manager.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "anomctl/core/error.h"
#include "anomctl/core/files.h"
#include "anomctl/core/json.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"
#include "anomctl/io/kafka/kafka.h"
#include "roles/manage/asset_name.h"
#include "roles/manage/inbox.h"
#include "roles/manage/notices.h"
#include "roles/manage/silence.h"
#include "roles/manage/stream.h"

namespace anomctl::manage {
namespace {

// Readings that are judged before what came of them is sent, at most.
constexpr int kReadingsAtOnce = 256;
constexpr std::size_t kStatesAtOnce = 256;
constexpr Nanoseconds kCommitEvery = 500 * kMillisecond;
constexpr Duration kAsk = seconds(5);

// A reading's number among those of its partition leaves room for notes of silence behind it.
constexpr std::int64_t kNotes = 1 << 24;
std::int64_t number_of(std::int64_t offset) { return (offset + 1) * kNotes; }
// The first offset whose reading has at least this number.
std::int64_t offset_from(std::int64_t number) { return (number + kNotes - 1) / kNotes - 1; }

struct Partition {
  std::unique_ptr<Stream> stream;
  std::int64_t next = 0;         // offset that is read next
  std::int64_t judged_upto = 0;  // offsets before were judged by an earlier owner
  std::int64_t notes = 0;        // of silence, since the last reading
  bool changed = false;          // since the last commit
  bool at_end = false;           // all that is there was read
};

class KafkaManager {
 public:
  KafkaManager(const ManageSettings& settings, const ManageParts& parts, std::stop_token stop)
      : settings_(settings),
        parts_(parts),
        stop_(stop),
        org_(settings.topic.topic_org),
        id_(settings.client_id.empty() ? "manage-" + org_ + "-" + random_hex(4) : settings.client_id),
        kafka_(settings.kafka),
        producer_(with_group(kafka_, org_), id_),
        notices_(settings, parts.http) {}

  ManageCounts run() {
    prepare_topics();
    // Tried before the group is joined: a model that does not fit is said at the start.
    model_ = Stream(
                 settings_, parts_, [](const std::string&, const std::string&) {}, stop_)
                 .bundle()
                 .name;
    KafkaConsumer consumer(kafka_, id_, readings_topic(), consumer_parts());
    consumer_ = &consumer;
    // A cluster that is away is waited for, after a stop no longer than the drain timeout.
    std::stop_source ended;
    const std::stop_callback pass_on(stop_, [&] { ended.request_stop(); });
    const std::jthread closer([&](std::stop_token done) {
      while (!wait_for_stop(ended.get_token(), 3'600'000)) {
      }
      if (!wait_for_stop(done, settings_.drain_timeout.ns / kMillisecond)) give_up_.request_stop();
    });
    const std::shared_ptr<void> end(nullptr, [&](void*) { ended.request_stop(); });
    tell("ready");
    log_info("judging {} of group {} with {}", readings_topic(), kafka_.kafka_group, model_);
    if (parts_.on_ready) parts_.on_ready(id_);
    judge_all(consumer);
    consumer.close();
    tell("stopped");
    notices_.finish(settings_.drain_timeout, false);
    notices_.count(sums_);
    sums_.all_published = producer_.flush(give_up_.get_token());
    return sums_;
  }

 private:
  static const KafkaSettings& with_group(KafkaSettings& kafka, const std::string& org) {
    if (kafka.kafka_group.empty()) kafka.kafka_group = "manage-" + org;
    return kafka;
  }
  std::string readings_topic() const { return org_ + ".sensor"; }
  std::string state_topic() const { return fmt::format("{}.state.{}", org_, kafka_.kafka_group); }

  void prepare_topics() {
    std::optional<KafkaTopic> readings;
    const Nanoseconds give_up = system_clock().steady() + settings_.mqtt.connect_timeout.ns;
    for (bool told = false; !readings; told = true) {
      std::string why;
      try {
        readings = kafka_topic(kafka_, readings_topic(), kAsk);
        if (!readings) why = fmt::format("there is no topic {}", readings_topic());
      } catch (const Error& error) {
        if (error.code() != ExitCode::unreachable) throw;
        why = error.what();
      }
      if (readings) break;
      if (system_clock().steady() >= give_up) throw unreachable_error(why);
      if (!told) log_info("{}; trying for {}", why, format_duration(settings_.mqtt.connect_timeout));
      if (wait_for_stop(stop_, 500)) throw unreachable_error(why);
    }
    for (const char* level : {".anomaly", ".alert", ".status"})
      if (!kafka_topic(kafka_, org_ + level, kAsk)) make_kafka_topic(kafka_, org_ + level, *readings, false);
    if (!kafka_topic(kafka_, state_topic(), kAsk)) make_kafka_topic(kafka_, state_topic(), *readings, true);
    const auto states = kafka_topic(kafka_, state_topic(), kAsk);
    if (states && states->partitions < readings->partitions)
      throw UsageError(fmt::format("topic {} has {} partitions, {} has {}: give it as many", state_topic(),
                                   states->partitions, readings_topic(), readings->partitions));
  }

  KafkaConsumer::Parts consumer_parts() {
    KafkaConsumer::Parts parts;
    parts.assigned = [this](const std::map<int, KafkaPosition>& committed) {
      std::map<int, std::int64_t> from;
      listening_since_ = system_clock().now();
      for (const auto& [partition, position] : committed) from[partition] = take_over(partition, position);
      log_info("{} partitions of {} are ours", committed.size(), readings_topic());
      return from;
    };
    parts.revoked = [this](const std::vector<int>& gone, bool lost) {
      if (lost)
        log_warning("{} partitions went to others while nothing was heard of us", gone.size());
      else
        commit(gone, true);
      for (const int partition : gone) hand_over(partition);
    };
    parts.at_end = [this](int number) {
      if (const auto found = partitions_.find(number); found != partitions_.end()) found->second.at_end = true;
    };
    parts.interrupted = [this] { listening_since_ = system_clock().now(); };
    return parts;
  }

  // Goes on where the last owner stopped: its states, then silently the readings that they lack.
  std::int64_t take_over(int number, const KafkaPosition& position) {
    Partition& partition = partitions_[number];
    partition = {};
    partition.stream = std::make_unique<Stream>(
        settings_, parts_, [this](const std::string& topic, const std::string& payload) { send(topic, payload); },
        stop_);
    std::map<std::string, std::string> states;
    read_kafka_partition(kafka_, state_topic(), number, [&](const KafkaMessage& message) {
      if (message.keyed) states[message.key] = message.value;
    });
    for (const auto& [asset, state] : states)
      if (!state.empty()) partition.stream->restore(asset, state);
    std::int64_t needed = position.offset;
    const char* end = position.note.data() + position.note.size();
    std::int64_t noted = 0;
    if (!position.note.empty() && std::from_chars(position.note.data(), end, noted).ptr == end && noted >= 0)
      needed = std::min(needed, noted);
    partition.judged_upto = std::max<std::int64_t>(0, position.offset);
    partition.next = std::max<std::int64_t>(0, needed);
    return needed;
  }

  void hand_over(int number) {
    const auto found = partitions_.find(number);
    if (found == partitions_.end()) return;
    if (found->second.stream) add(found->second.stream->counts());
    partitions_.erase(found);
  }

  void send(const std::string& topic, const std::string& payload) {
    notices_.make(topic, payload,
                  [this](const std::string& to, const std::string& alert) { notices_.deliver(to, alert, 0); });
    // ORG/LEVEL/ASSET, where an asset's name may hold any sign.
    const std::size_t level = org_.size() + 1, asset = topic.find('/', level) + 1;
    producer_.produce(org_ + "." + topic.substr(level, asset - level - 1), -1, topic.substr(asset), payload,
                      give_up_.get_token());
  }

  void take(const KafkaMessage& message) {
    const auto found = partitions_.find(message.partition);
    if (found == partitions_.end()) return;
    Partition& partition = found->second;
    partition.next = message.offset + 1;
    partition.changed = true;
    partition.at_end = false;
    partition.notes = 0;
    if (!is_asset_name(message.key)) {
      if (++sums_.unreadable == 1)
        log_warning("{}: messages need the asset's name, as text, as their key", readings_topic());
      return;
    }
    if (!partition.stream->ours(message.key)) return;
    Reading reading{number_of(message.offset), message.key, message.value,
                    message.time != 0 ? message.time : system_clock().now()};
    mark(reading.payload, true);
    partition.stream->take(reading, message.offset < partition.judged_upto);
  }

  void look_for_silence() {
    const Nanoseconds now = system_clock().now();
    for (auto& [number, partition] : partitions_) {
      if (!partition.at_end || partition.next < partition.judged_upto) continue;
      for (const std::string& asset : partition.stream->silent(now, listening_since_)) {
        if (++partition.notes == kNotes) return;
        partition.stream->take(
            {number_of(partition.next - 1) + partition.notes, asset, std::string(1, kSilenceMark), now}, false);
        partition.changed = true;
      }
    }
  }

  // Between two rows, in every partition; those that come later begin with it.
  void take_next_model() {
    if (!parts_.next_model) return;
    const auto next = parts_.next_model();
    if (!next) return;
    std::string said;
    for (auto& [number, partition] : partitions_) {
      said = partition.stream->swap(*next);
      if (&partition.stream->bundle() != next->bundle.get()) break;
      partition.changed = true;
    }
    if (!said.empty()) log_warning("{}", said);
    if (!partitions_.empty() && &partitions_.begin()->second.stream->bundle() != next->bundle.get()) return;
    parts_.bundle = next->bundle;
    parts_.model = next->model;
    model_ = next->bundle->name;
    log_info("judging with {} from now on", model_);
    tell("ready");
  }

  void judge_all(KafkaConsumer& consumer) {
    int taken = 0;
    Nanoseconds gathered = 0, committed = system_clock().steady();
    constexpr Duration kLook = milliseconds(100);
    while (!stop_.stop_requested()) {
      const Nanoseconds left = gathered - system_clock().steady();
      const auto message = consumer.poll(taken == 0 ? kLook : Duration{std::max<Nanoseconds>(0, left)});
      if (message) {
        if (taken++ == 0) gathered = system_clock().steady() + settings_.batch_wait.ns;
        take(*message);
      }
      const Nanoseconds now = system_clock().steady();
      if (taken >= kReadingsAtOnce || (taken > 0 && now >= gathered)) {
        for (auto& [number, partition] : partitions_) partition.stream->flush();
        taken = 0;
      }
      if (taken == 0) take_next_model();
      if (!message && taken == 0) look_for_silence();
      if (now - committed > kCommitEvery && taken == 0) {
        std::vector<int> all;
        for (const auto& [number, partition] : partitions_) all.push_back(number);
        commit(all, false);
        committed = system_clock().steady();
      }
    }
  }

  // Verdicts first, then the states that hold them, then the position: whoever goes on from a position finds both.
  void commit(const std::vector<int>& numbers, bool all_states) {
    std::map<int, KafkaPosition> positions;
    for (const int number : numbers)
      if (const auto found = partitions_.find(number); found != partitions_.end()) found->second.stream->flush();
    if (!producer_.flush(give_up_.get_token())) return;
    for (const int number : numbers) {
      const auto found = partitions_.find(number);
      // One that still reads what was judged before knows less than the position that it began from.
      if (found == partitions_.end() || !found->second.changed || found->second.next < found->second.judged_upto)
        continue;
      Partition& partition = found->second;
      for (const auto& [asset, state] : partition.stream->states(all_states ? 0 : kStatesAtOnce, all_states))
        if (!asset.starts_with('/')) producer_.produce(state_topic(), number, asset, state, give_up_.get_token());
      KafkaPosition position;
      position.offset = partition.next;
      position.note = std::to_string(std::min(position.offset, offset_from(partition.stream->needed_from())));
      positions[number] = std::move(position);
    }
    if (!producer_.flush(give_up_.get_token()) || !consumer_->commit(positions)) return;
    for (const auto& [number, position] : positions) partitions_.at(number).changed = false;
  }

  void tell(const char* state) {
    Json json = Json::object();
    json["state"] = state;
    json["time"] = format_stamp(system_clock().now() / kMillisecond * kMillisecond);
    json["model"] = model_;
    producer_.produce(org_ + ".status", -1, id_, json.dump(), give_up_.get_token());
  }

  void add(const ManageCounts& more) {
    ManageCounts& all = sums_;
    for (const auto field : {&ManageCounts::messages,     &ManageCounts::unreadable, &ManageCounts::left_out,
                             &ManageCounts::readings,     &ManageCounts::duplicates, &ManageCounts::conflicting,
                             &ManageCounts::late,         &ManageCounts::set_back,   &ManageCounts::skewed,
                             &ManageCounts::crowded,      &ManageCounts::idle,       &ManageCounts::silent,
                             &ManageCounts::faulty,       &ManageCounts::gaps,       &ManageCounts::muted_verdicts,
                             &ManageCounts::muted_alerts, &ManageCounts::rows,       &ManageCounts::verdicts,
                             &ManageCounts::anomalous,    &ManageCounts::episodes,   &ManageCounts::assets})
      all.*field += more.*field;
  }

  const ManageSettings& settings_;
  ManageParts parts_;  // bundle and model are those of streams to come
  std::stop_token stop_;
  std::string org_, id_, model_;
  KafkaSettings kafka_;
  KafkaProducer producer_;
  Notices notices_;
  std::stop_source give_up_;
  std::map<int, Partition> partitions_;
  KafkaConsumer* consumer_ = nullptr;
  Nanoseconds listening_since_ = 0;
  ManageCounts sums_;
};

}  // namespace

void validate_kafka(const ManageSettings& settings) {
  if (settings.kafka.kafka_brokers.empty()) {
    if (!settings.kafka.kafka_group.empty() || !settings.kafka.kafka_config.empty())
      throw UsageError("kafka-group and kafka-config need kafka-brokers");
    return;
  }
  if (!settings.state_dir.empty() || settings.durable)
    throw UsageError("kafka-brokers excludes state-dir and durable: states are kept in Kafka, by the topic ORG.state");
  if (!settings.shard.empty())
    throw UsageError("kafka-brokers excludes shard: the consumer group shares the partitions out");
  if (!settings.record.empty() || !settings.replay.empty())
    throw UsageError("kafka-brokers excludes record and replay: Kafka keeps the readings");
}

ManageCounts run_kafka(const ManageSettings& settings, const ManageParts& parts, std::stop_token stop) {
  return KafkaManager(settings, parts, std::move(stop)).run();
}

}  // namespace anomctl::manage
