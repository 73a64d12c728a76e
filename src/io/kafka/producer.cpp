#include <fmt/format.h>

#include <array>

#include "anomctl/core/error.h"
#include "io/kafka/handle.h"

namespace anomctl {
namespace {

constexpr int kWaitMs = 100;

}  // namespace

struct KafkaProducer::Impl {
  kafka::Handle handle;
  std::string refused;  // the first message that the cluster would not take

  static void delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
    auto& impl = *static_cast<Impl*>(self);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR || !impl.refused.empty()) return;
    impl.refused = fmt::format("{}: {}", rd_kafka_topic_name(message->rkt), rd_kafka_err2str(message->err));
  }
};

KafkaProducer::KafkaProducer(const KafkaSettings& settings, const std::string& client_id)
    : impl_(std::make_unique<Impl>()) {
  // Messages are tried until they are delivered: the program decides when it has waited enough.
  impl_->handle = kafka::open(settings, RD_KAFKA_PRODUCER, client_id,
                              {{"enable.idempotence", "true"},
                               {"message.timeout.ms", "0"},
                               {"linger.ms", "2"},
                               {"message.max.bytes", "8388608"},
                               {"compression.type", "lz4"},
                               {"partitioner", "murmur2_random"}},
                              {impl_.get(), nullptr, &Impl::delivered});
}

KafkaProducer::~KafkaProducer() {
  rd_kafka_purge(impl_->handle.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_poll(impl_->handle.get(), 0);
}

bool KafkaProducer::produce(const std::string& topic, int partition, std::string_view key, std::string_view value,
                            std::stop_token stop) {
  std::array<rd_kafka_vu_t, 5> parts{};
  parts[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  parts[0].u.cstr = topic.c_str();
  parts[1].vtype = RD_KAFKA_VTYPE_PARTITION;
  parts[1].u.i32 = partition < 0 ? RD_KAFKA_PARTITION_UA : partition;
  parts[2].vtype = RD_KAFKA_VTYPE_KEY;
  parts[2].u.mem = {const_cast<char*>(key.data()), key.size()};
  parts[3].vtype = RD_KAFKA_VTYPE_VALUE;
  parts[3].u.mem = {const_cast<char*>(value.data()), value.size()};
  parts[4].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  parts[4].u.i = RD_KAFKA_MSG_F_COPY;
  while (true) {
    const kafka::Owned<rd_kafka_error_t> refused(rd_kafka_produceva(impl_->handle.get(), parts.data(), parts.size()));
    const rd_kafka_resp_err_t error = refused ? rd_kafka_error_code(refused.get()) : RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_poll(impl_->handle.get(), error == RD_KAFKA_RESP_ERR__QUEUE_FULL ? kWaitMs : 0);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
      throw failed(fmt::format("kafka: {} takes no message: {}", topic, rd_kafka_err2str(error)));
    if (stop.stop_requested()) return false;
  }
}

bool KafkaProducer::flush(std::stop_token stop) {
  while (rd_kafka_flush(impl_->handle.get(), kWaitMs) != RD_KAFKA_RESP_ERR_NO_ERROR)
    if (stop.stop_requested()) return false;
  if (!impl_->refused.empty()) throw failed("kafka refused a message: " + impl_->refused);
  return true;
}

}  // namespace anomctl
