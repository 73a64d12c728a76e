// What consumer, producer and the questions about topics share: settings for librdkafka, its objects with an owner, its
// errors as ours. Private to kafka.
#pragma once

#include <librdkafka/rdkafka.h>

#include <map>
#include <memory>
#include <string>

#include "anomctl/io/kafka/kafka.h"

namespace anomctl::kafka {

struct Free {
  void operator()(rd_kafka_conf_t* it) const { rd_kafka_conf_destroy(it); }
  void operator()(rd_kafka_t* it) const { rd_kafka_destroy(it); }
  void operator()(rd_kafka_error_t* it) const { rd_kafka_error_destroy(it); }
  void operator()(rd_kafka_topic_partition_list_t* it) const { rd_kafka_topic_partition_list_destroy(it); }
  void operator()(rd_kafka_message_t* it) const { rd_kafka_message_destroy(it); }
  void operator()(const rd_kafka_metadata_t* it) const { rd_kafka_metadata_destroy(it); }
  void operator()(rd_kafka_topic_t* it) const { rd_kafka_topic_destroy(it); }
  void operator()(rd_kafka_queue_t* it) const { rd_kafka_queue_destroy(it); }
  void operator()(rd_kafka_event_t* it) const { rd_kafka_event_destroy(it); }
  void operator()(rd_kafka_AdminOptions_t* it) const { rd_kafka_AdminOptions_destroy(it); }
  void operator()(rd_kafka_NewTopic_t* it) const { rd_kafka_NewTopic_destroy(it); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;
using Handle = Owned<rd_kafka_t>;
using Partitions = Owned<rd_kafka_topic_partition_list_t>;

struct Callbacks {
  void* self = nullptr;
  void (*rebalanced)(rd_kafka_t*, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*, void*) = nullptr;
  void (*delivered)(rd_kafka_t*, const rd_kafka_message_t*, void*) = nullptr;
};

// The settings' own, those of kafka_config, and `more`, which win. Throws UsageError for what librdkafka does not know.
Handle open(const KafkaSettings& settings, rd_kafka_type_t type, const std::string& client_id,
            const std::map<std::string, std::string>& more, const Callbacks& callbacks = {});
KafkaMessage message_of(const rd_kafka_message_t& from);
// Whether the error is of the kind that passes: brokers away, leaders that change.
bool passes(rd_kafka_resp_err_t error);

}  // namespace anomctl::kafka
