// Kafka by librdkafka: a member of a consumer group whose offsets are committed by hand, an idempotent producer, and
// what a program needs that keeps its state in a compacted topic. Offsets are those of Kafka: the number of a message in
// its partition. Errors: Error(unreachable) while no broker answers at the start, Error(failed) for what the cluster
// refuses for good. Thread rule: one thread an object; callbacks run inside poll() and close().
// Source: the guide of librdkafka 2.0, https://github.com/confluentinc/librdkafka/blob/v2.0.2/INTRODUCTION.md
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"

namespace anomctl {

struct KafkaSettings {
  std::string kafka_brokers;
  std::string kafka_group;
  fs::path kafka_config;
  Duration kafka_session_timeout = seconds(10);

  static void fields(auto& self, auto&& field) {
    field("kafka_brokers", self.kafka_brokers,
          "take readings from Kafka and put verdicts there: HOST:PORT, several with commas");
    field("kafka_group", self.kafka_group,
          "consumer group: managers of one group share the partitions (default: manage-ORG)");
    field("kafka_config", self.kafka_config,
          "file with settings of librdkafka, for TLS and users: lines such as security.protocol=SASL_SSL");
    field("kafka_session_timeout", self.kafka_session_timeout,
          "a manager that is silent for so long has lost its partitions to others");
  }
};

struct KafkaMessage {
  std::int64_t offset = 0;
  int partition = 0;
  bool keyed = false;
  std::string key, value;
  Nanoseconds time = 0;  // of the message, as the cluster says; 0: it does not
};

// Where a group goes on in a partition, and a note of its own beside it.
struct KafkaPosition {
  std::int64_t offset = -1;  // -1: it never began
  std::string note;
};

class KafkaConsumer {
 public:
  struct Parts {
    // Partitions that are ours from now on. Returns for each where to read from; -1: the oldest that is there.
    std::function<std::map<int, std::int64_t>(const std::map<int, KafkaPosition>& committed)> assigned;
    // They go to others; `lost`: they have gone already, nothing may be committed.
    std::function<void(const std::vector<int>& partitions, bool lost)> revoked;
    // All that is in the partition was read.
    std::function<void(int partition)> at_end;
    std::function<void()> interrupted;  // no broker answers for now
  };
  // Joins the group for `topic`. Throws UsageError for settings that librdkafka does not know.
  KafkaConsumer(const KafkaSettings& settings, const std::string& client_id, const std::string& topic, Parts parts);
  ~KafkaConsumer();  // leaves the group
  KafkaConsumer(const KafkaConsumer&) = delete;
  KafkaConsumer& operator=(const KafkaConsumer&) = delete;

  std::optional<KafkaMessage> poll(Duration timeout);
  // Waits for the cluster. False: the partitions are not ours any more.
  bool commit(const std::map<int, KafkaPosition>& positions);
  void close();  // leaves the group; `revoked` is called for what is still ours

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class KafkaProducer {
 public:
  KafkaProducer(const KafkaSettings& settings, const std::string& client_id);
  ~KafkaProducer();  // drops what is not delivered
  KafkaProducer(const KafkaProducer&) = delete;
  KafkaProducer& operator=(const KafkaProducer&) = delete;

  // Partition -1: by the key, as Kafka's own clients choose. Waits while too much is under way. False: stopped.
  bool produce(const std::string& topic, int partition, std::string_view key, std::string_view value,
               std::stop_token stop);
  // Waits until all is delivered; false when stopped before. Throws Error(failed) when the cluster refused a message.
  bool flush(std::stop_token stop);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// How a topic is cut up; nothing: there is no such topic. Throws Error(unreachable) when no broker answers in time.
struct KafkaTopic {
  int partitions = 0, replicas = 0;
};
std::optional<KafkaTopic> kafka_topic(const KafkaSettings& settings, const std::string& topic, Duration timeout);
// Makes it where it is not there; `compacted`: of each key only the last message is kept.
void make_kafka_topic(const KafkaSettings& settings, const std::string& topic, const KafkaTopic& cut, bool compacted);
// Every message that is there now, oldest first.
void read_kafka_partition(const KafkaSettings& settings, const std::string& topic, int partition,
                          const std::function<void(const KafkaMessage&)>& take);

}  // namespace anomctl
