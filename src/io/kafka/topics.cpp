#include <fmt/format.h>

#include <array>

#include "anomctl/core/error.h"
#include "io/kafka/handle.h"

namespace anomctl {
namespace {

constexpr int kAskMs = 5'000, kMakeMs = 30'000;
constexpr const char* kAsker = "anomctl-asks";

[[noreturn]] void cannot(const KafkaSettings& settings, const std::string& what, rd_kafka_resp_err_t error) {
  const std::string text = fmt::format("kafka {}: {}: {}", settings.kafka_brokers, what, rd_kafka_err2str(error));
  if (kafka::passes(error)) throw unreachable_error(text);
  throw failed(text);
}

}  // namespace

std::optional<KafkaTopic> kafka_topic(const KafkaSettings& settings, const std::string& topic, Duration timeout) {
  const kafka::Handle handle = kafka::open(settings, RD_KAFKA_PRODUCER, kAsker, {});
  const kafka::Owned<rd_kafka_topic_t> named(rd_kafka_topic_new(handle.get(), topic.c_str(), nullptr));
  const rd_kafka_metadata_t* all = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(handle.get(), 0, named.get(), &all, static_cast<int>(timeout.ns / kMillisecond));
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) cannot(settings, "no broker answers", error);
  const kafka::Owned<const rd_kafka_metadata_t> kept(all);
  if (all->topic_cnt != 1 || all->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
      all->topics[0].partition_cnt == 0)
    return std::nullopt;
  const rd_kafka_metadata_topic& found = all->topics[0];
  if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) cannot(settings, topic, found.err);
  return KafkaTopic{found.partition_cnt, found.partitions[0].replica_cnt};
}

void make_kafka_topic(const KafkaSettings& settings, const std::string& topic, const KafkaTopic& cut, bool compacted) {
  const kafka::Handle handle = kafka::open(settings, RD_KAFKA_PRODUCER, kAsker, {});
  std::array<char, 256> why{};
  const kafka::Owned<rd_kafka_NewTopic_t> made(
      rd_kafka_NewTopic_new(topic.c_str(), cut.partitions, cut.replicas, why.data(), why.size()));
  if (made == nullptr) throw failed(fmt::format("kafka: topic {}: {}", topic, why.data()));
  if (compacted) {
    rd_kafka_NewTopic_set_config(made.get(), "cleanup.policy", "compact");
    rd_kafka_NewTopic_set_config(made.get(), "max.message.bytes", "8388608");
  }
  const kafka::Owned<rd_kafka_AdminOptions_t> options(
      rd_kafka_AdminOptions_new(handle.get(), RD_KAFKA_ADMIN_OP_CREATETOPICS));
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), kMakeMs, why.data(), why.size());
  const kafka::Owned<rd_kafka_queue_t> queue(rd_kafka_queue_new(handle.get()));
  rd_kafka_NewTopic_t* list = made.get();
  rd_kafka_CreateTopics(handle.get(), &list, 1, options.get(), queue.get());
  const kafka::Owned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), kMakeMs + kAskMs));
  const rd_kafka_CreateTopics_result_t* result = event ? rd_kafka_event_CreateTopics_result(event.get()) : nullptr;
  if (result == nullptr) cannot(settings, "topic " + topic + " cannot be made", RD_KAFKA_RESP_ERR__TIMED_OUT);
  std::size_t n = 0;
  const rd_kafka_topic_result_t** topics = rd_kafka_CreateTopics_result_topics(result, &n);
  const rd_kafka_resp_err_t error = n == 1 ? rd_kafka_topic_result_error(topics[0]) : rd_kafka_event_error(event.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
    cannot(settings, "topic " + topic + " cannot be made", error);
}

void read_kafka_partition(const KafkaSettings& settings, const std::string& topic, int partition,
                          const std::function<void(const KafkaMessage&)>& take) {
  const kafka::Handle handle = kafka::open(settings, RD_KAFKA_CONSUMER, kAsker,
                                           {{"group.id", kAsker},  // librdkafka wants one; nothing is committed
                                            {"enable.auto.commit", "false"},
                                            {"auto.offset.reset", "earliest"},
                                            {"enable.partition.eof", "true"}});
  rd_kafka_poll_set_consumer(handle.get());
  const kafka::Partitions list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_resp_err_t error = rd_kafka_assign(handle.get(), list.get());
  const Nanoseconds give_up = system_clock().steady() + kMakeMs * kMillisecond;
  while (error == RD_KAFKA_RESP_ERR_NO_ERROR || kafka::passes(error)) {
    const kafka::Owned<rd_kafka_message_t> message(rd_kafka_consumer_poll(handle.get(), kAskMs));
    error = message ? message->err : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (error == RD_KAFKA_RESP_ERR__PARTITION_EOF) break;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
      take(kafka::message_of(*message));
    else if (system_clock().steady() > give_up)
      break;
  }
  rd_kafka_consumer_close(handle.get());
  if (error != RD_KAFKA_RESP_ERR__PARTITION_EOF) cannot(settings, "topic " + topic + " cannot be read", error);
}

}  // namespace anomctl
