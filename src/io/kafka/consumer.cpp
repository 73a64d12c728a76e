#include <fmt/format.h>

#include <exception>
#include <utility>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "io/kafka/handle.h"

namespace anomctl {
namespace {

constexpr int kAskMs = 10'000;

}  // namespace

struct KafkaConsumer::Impl {
  std::string topic;
  Parts parts;
  kafka::Handle handle;
  std::exception_ptr failure;  // of a callback, which C code called
  bool closed = false;
  Nanoseconds complained = 0;

  static void rebalanced(rd_kafka_t* rk, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* list, void* self) {
    auto& impl = *static_cast<Impl*>(self);
    try {
      if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        impl.begin(rk, list);
      } else {
        std::vector<int> gone;
        for (int i = 0; i < list->cnt; ++i) gone.push_back(list->elems[i].partition);
        if (!gone.empty()) impl.parts.revoked(gone, rd_kafka_assignment_lost(rk) != 0);
        rd_kafka_assign(rk, nullptr);
      }
    } catch (...) {
      impl.failure = std::current_exception();
      rd_kafka_assign(rk, nullptr);
    }
  }

  void begin(rd_kafka_t* rk, rd_kafka_topic_partition_list_t* list) {
    const rd_kafka_resp_err_t error = rd_kafka_committed(rk, list, kAskMs);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
      throw failed(fmt::format("kafka: the positions of {} cannot be read: {}", topic, rd_kafka_err2str(error)));
    std::map<int, KafkaPosition> committed;
    for (int i = 0; i < list->cnt; ++i) {
      const rd_kafka_topic_partition_t& at = list->elems[i];
      if (at.err != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw failed(fmt::format("kafka: the position of {}-{} cannot be read: {}", topic, at.partition,
                                 rd_kafka_err2str(at.err)));
      KafkaPosition position;
      position.offset = at.offset >= 0 ? at.offset : -1;
      if (at.metadata_size > 0) position.note.assign(static_cast<const char*>(at.metadata), at.metadata_size);
      committed[at.partition] = std::move(position);
    }
    const std::map<int, std::int64_t> from =
        committed.empty() ? std::map<int, std::int64_t>{} : parts.assigned(committed);
    for (int i = 0; i < list->cnt; ++i) {
      const std::int64_t offset = from.at(list->elems[i].partition);
      list->elems[i].offset = offset >= 0 ? offset : RD_KAFKA_OFFSET_BEGINNING;
    }
    rd_kafka_assign(rk, list);
  }

  void rethrow() {
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
  }
};

KafkaConsumer::KafkaConsumer(const KafkaSettings& settings, const std::string& client_id, const std::string& topic,
                             Parts parts)
    : impl_(std::make_unique<Impl>()) {
  impl_->topic = topic;
  impl_->parts = std::move(parts);
  const auto session = std::to_string(settings.kafka_session_timeout.ns / kMillisecond);
  const auto beat = std::to_string(settings.kafka_session_timeout.ns / kMillisecond / 3);
  impl_->handle = kafka::open(settings, RD_KAFKA_CONSUMER, client_id,
                              {{"group.id", settings.kafka_group},
                               {"enable.auto.commit", "false"},
                               {"auto.offset.reset", "earliest"},
                               {"enable.partition.eof", "true"},
                               {"partition.assignment.strategy", "range"},
                               {"session.timeout.ms", session},
                               {"heartbeat.interval.ms", beat}},
                              {impl_.get(), &Impl::rebalanced, nullptr});
  rd_kafka_poll_set_consumer(impl_->handle.get());
  const kafka::Partitions topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  const rd_kafka_resp_err_t error = rd_kafka_subscribe(impl_->handle.get(), topics.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw failed(fmt::format("kafka: cannot subscribe to {}: {}", topic, rd_kafka_err2str(error)));
}

KafkaConsumer::~KafkaConsumer() {
  if (impl_->closed) return;
  impl_->parts.revoked = [](const std::vector<int>&, bool) {};
  rd_kafka_consumer_close(impl_->handle.get());
}

std::optional<KafkaMessage> KafkaConsumer::poll(Duration timeout) {
  const kafka::Owned<rd_kafka_message_t> message(
      rd_kafka_consumer_poll(impl_->handle.get(), static_cast<int>(timeout.ns / kMillisecond)));
  impl_->rethrow();
  if (message == nullptr) return std::nullopt;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) return kafka::message_of(*message);
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    impl_->parts.at_end(message->partition);
    return std::nullopt;
  }
  const char* why = rd_kafka_message_errstr(message.get());
  if (!kafka::passes(message->err) && message->err != RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED)
    throw failed(fmt::format("kafka: {}: {}", impl_->topic, why != nullptr ? why : rd_kafka_err2name(message->err)));
  impl_->parts.interrupted();
  const Nanoseconds now = system_clock().steady();
  if (impl_->complained == 0 || now - impl_->complained > 10 * kSecond) {
    log_warning("kafka: {}; trying again", why != nullptr ? why : rd_kafka_err2name(message->err));
    impl_->complained = now;
  }
  return std::nullopt;
}

bool KafkaConsumer::commit(const std::map<int, KafkaPosition>& positions) {
  if (positions.empty()) return true;
  const kafka::Partitions list(rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())));
  for (const auto& [partition, position] : positions) {
    rd_kafka_topic_partition_t* at = rd_kafka_topic_partition_list_add(list.get(), impl_->topic.c_str(), partition);
    at->offset = position.offset;
    at->metadata = rd_kafka_mem_malloc(nullptr, position.note.size() + 1);
    position.note.copy(static_cast<char*>(at->metadata), position.note.size());
    at->metadata_size = position.note.size();
  }
  const rd_kafka_resp_err_t error = rd_kafka_commit(impl_->handle.get(), list.get(), 0);
  switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return true;
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
      return false;
    default:
      break;
  }
  if (!kafka::passes(error)) throw failed(fmt::format("kafka: cannot commit: {}", rd_kafka_err2str(error)));
  log_warning("kafka: cannot commit yet: {}", rd_kafka_err2str(error));
  return false;
}

void KafkaConsumer::close() {
  if (impl_->closed) return;
  impl_->closed = true;
  rd_kafka_consumer_close(impl_->handle.get());
  impl_->rethrow();
}

}  // namespace anomctl
