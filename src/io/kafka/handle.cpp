#include "io/kafka/handle.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "anomctl/core/error.h"
#include "anomctl/core/files.h"
#include "anomctl/core/log.h"
#include "anomctl/core/text.h"

namespace anomctl::kafka {
namespace {

constexpr std::uint64_t kMostSettings = 64 * 1024;

void set(rd_kafka_conf_t* conf, const std::string& where, const std::string& key, const std::string& value) {
  std::array<char, 512> why{};
  if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), why.data(), why.size()) == RD_KAFKA_CONF_OK) return;
  throw UsageError(fmt::format("{}: {}", where, why.data()));
}

void read_settings(rd_kafka_conf_t* conf, const fs::path& path) {
  if (path.empty()) return;
  const std::string text = read_file(path, kMostSettings);
  int number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = trim(std::string_view(text).substr(at, end - at));
    at = end + 1;
    ++number;
    if (line.empty() || line.front() == '#') continue;
    const std::size_t equals = line.find('=');
    const std::string where = fmt::format("{}:{}", path.string(), number);
    if (equals == std::string_view::npos) throw UsageError(fmt::format("{}: expected NAME=VALUE", where));
    set(conf, where, std::string(trim(line.substr(0, equals))), std::string(trim(line.substr(equals + 1))));
  }
}

void pass_on_log(const rd_kafka_t*, int level, const char*, const char* text) {
  constexpr int kWarning = 4;  // of syslog
  if (level <= kWarning)
    log_warning("kafka: {}", text);
  else
    log_debug("kafka: {}", text);
}

}  // namespace

Handle open(const KafkaSettings& settings, rd_kafka_type_t type, const std::string& client_id,
            const std::map<std::string, std::string>& more, const Callbacks& callbacks) {
  Owned<rd_kafka_conf_t> conf(rd_kafka_conf_new());
  read_settings(conf.get(), settings.kafka_config);
  set(conf.get(), "kafka-brokers", "bootstrap.servers", settings.kafka_brokers);
  set(conf.get(), "client-id", "client.id", client_id);
  for (const auto& [key, value] : more) set(conf.get(), "kafka", key, value);
  rd_kafka_conf_set_log_cb(conf.get(), pass_on_log);
  rd_kafka_conf_set_opaque(conf.get(), callbacks.self);
  if (callbacks.rebalanced != nullptr) rd_kafka_conf_set_rebalance_cb(conf.get(), callbacks.rebalanced);
  if (callbacks.delivered != nullptr) rd_kafka_conf_set_dr_msg_cb(conf.get(), callbacks.delivered);
  std::array<char, 512> why{};
  Handle handle(rd_kafka_new(type, conf.get(), why.data(), why.size()));
  if (handle == nullptr) throw UsageError(fmt::format("kafka: {}", why.data()));
  static_cast<void>(conf.release());  // it is the handle's now
  return handle;
}

KafkaMessage message_of(const rd_kafka_message_t& from) {
  KafkaMessage message;
  message.offset = from.offset;
  message.partition = from.partition;
  message.keyed = from.key != nullptr;
  if (from.key != nullptr) message.key.assign(static_cast<const char*>(from.key), from.key_len);
  if (from.payload != nullptr) message.value.assign(static_cast<const char*>(from.payload), from.len);
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t ms = rd_kafka_message_timestamp(&from, &type);
  if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && ms > 0) message.time = ms * kMillisecond;
  return message;
}

bool passes(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
      return true;
    default:
      return false;
  }
}

}  // namespace anomctl::kafka
