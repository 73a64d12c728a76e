#include "anomctl/io/mqtt/client.h"

#include <fmt/format.h>
#include <mqtt/async_client.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"

namespace anomctl {
namespace {

constexpr int kQos = 1, kInFlight = 16;
constexpr auto kTry = std::chrono::seconds(5);
constexpr int kPauseMs = 500;
constexpr int kBadUserOrPassword = 134, kNotAuthorized = 135;  // MQTT 5, 3.2.2.2

std::string broker_address(const MqttSettings& settings, bool& tls) {
  const std::string& url = settings.mqtt_url;
  const std::size_t end = url.find("://");
  const std::string scheme = end == std::string::npos ? "mqtt" : url.substr(0, end);
  std::string rest = end == std::string::npos ? url : url.substr(end + 3);
  while (!rest.empty() && rest.back() == '/') rest.pop_back();
  if (scheme == "mqtts" || scheme == "ssl")
    tls = true;
  else if (scheme != "mqtt" && scheme != "tcp")
    throw UsageError(fmt::format("mqtt-url '{}': expected mqtt:// or mqtts://", url));
  if (rest.empty() || rest.find_first_of("/@ ") != std::string::npos)
    throw UsageError(
        fmt::format("mqtt-url: expected {}://HOST[:PORT] (users and passwords have settings of their own)", scheme));
  const bool has_port = rest.find(':', rest.front() == '[' ? rest.find(']') : 0) != std::string::npos;
  if (!has_port) rest += tls ? ":8883" : ":1883";
  return (tls ? "ssl://" : "tcp://") + rest;
}

std::string why_of(const mqtt::token& token) {
  const int reason = static_cast<int>(token.get_reason_code());
  if (reason == kNotAuthorized) return "not authorized";
  if (reason >= 128) return mqtt::exception::reason_code_str(reason);
  return mqtt::exception::error_str(token.get_return_code());
}

}  // namespace

struct MqttClient::Impl : public mqtt::iaction_listener {
  Impl(const MqttSettings& s, MqttParts p, const std::string& address)
      : settings(s), parts(std::move(p)), client(address, parts.client_id, create_options(s)) {}

  static mqtt::create_options create_options(const MqttSettings& s) {
    // Room for what is under way when the connection breaks; nothing is thrown away.
    return mqtt::create_options_builder()
        .mqtt_version(MQTTVERSION_5)
        .send_while_disconnected(true, false)
        .max_buffered_messages(static_cast<int>(s.max_unacknowledged) + 1)
        .delete_oldest_messages(false)
        .finalize();
  }

  // Of published messages.
  void on_success(const mqtt::token&) override { settle(nullptr); }
  void on_failure(const mqtt::token& token) override {
    const std::string why = why_of(token);
    settle(&why);
  }
  void settle(const std::string* why) {
    {
      std::lock_guard lock(mutex);
      --under_way;
      ++(why == nullptr ? n_acknowledged : n_refused);
      changed.notify_all();
    }
    if (why != nullptr && parts.on_refused) parts.on_refused(*why);
  }

  MqttSettings settings;
  MqttParts parts;
  mutable std::mutex mutex;
  std::condition_variable_any changed;
  std::int64_t under_way = 0, n_published = 0, n_acknowledged = 0, n_refused = 0;
  mqtt::connect_options options;
  mqtt::async_client client;  // last: its callbacks use the others
};

MqttClient::MqttClient(const MqttSettings& settings, MqttParts parts) {
  bool tls = false;
  const std::string address = broker_address(settings, tls);
  if (settings.cert_file.empty() != settings.key_file.empty())
    throw UsageError("cert-file and key-file go together: give both or none");
  if (!tls && !(settings.ca_file.empty() && settings.cert_file.empty()))
    throw UsageError("ca-file, cert-file and key-file need a broker URL that begins with mqtts://");
  for (const fs::path& file : {settings.ca_file, settings.cert_file, settings.key_file})
    if (!file.empty() && !fs::exists(file)) throw UsageError(fmt::format("{}: there is no such file", file.string()));
  if (parts.client_id.empty()) parts.client_id = "anomctl-" + random_hex(6);
  impl_ = std::make_unique<Impl>(settings, std::move(parts), address);
  Impl& impl = *impl_;

  mqtt::connect_options& options = impl.options;
  options.set_mqtt_version(MQTTVERSION_5);
  options.set_clean_start(false);
  options.set_properties({{mqtt::property::SESSION_EXPIRY_INTERVAL,
                           static_cast<std::int32_t>(std::max(0.0, impl.parts.session_expiry.seconds()))}});
  options.set_keep_alive_interval(std::chrono::seconds(20));
  options.set_connect_timeout(kTry);
  // Brokers take twenty at once unless they say otherwise (mosquitto ends the connection beyond its bound).
  options.set_max_inflight(kInFlight);
  options.set_automatic_reconnect(std::chrono::seconds(1), std::chrono::seconds(8));
  if (!settings.mqtt_user.empty()) options.set_user_name(settings.mqtt_user);
  if (!settings.mqtt_pass.empty()) options.set_password(settings.mqtt_pass);
  if (impl.parts.will)
    options.set_will(mqtt::will_options(impl.parts.will->topic, impl.parts.will->payload, kQos, true));
  if (tls) {
    mqtt::ssl_options ssl;
    if (!settings.ca_file.empty()) ssl.set_trust_store(settings.ca_file.string());
    if (!settings.cert_file.empty()) {
      ssl.set_key_store(settings.cert_file.string());
      ssl.set_private_key(settings.key_file.string());
    }
    ssl.set_verify(true);
    ssl.set_enable_server_cert_auth(true);
    options.set_ssl(ssl);
  }
  impl.client.set_connected_handler([&impl](const std::string&) {
    if (impl.parts.on_connected) impl.parts.on_connected();
  });
  impl.client.set_connection_lost_handler([&impl](const std::string& cause) {
    if (impl.parts.on_lost) impl.parts.on_lost(cause.empty() ? "the connection was closed" : cause);
  });
  impl.client.set_message_callback([&impl](mqtt::const_message_ptr message) {
    if (impl.parts.on_message) impl.parts.on_message({message->get_topic(), message->to_string(), message->is_retained()});
  });
}

MqttClient::~MqttClient() {
  try {
    disconnect();
  } catch (const std::exception&) {  // the connection is gone all the same
  }
}

bool MqttClient::connect(std::stop_token stop) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::nanoseconds(impl_->settings.connect_timeout.ns);
  for (bool told = false;; told = true) {
    std::string why = "no answer";
    try {
      const mqtt::token_ptr token = impl_->client.connect(impl_->options);
      if (token->wait_for(kTry)) return true;
    } catch (const mqtt::exception& error) {
      const int reason = static_cast<int>(error.get_reason_code());
      if (reason == kBadUserOrPassword || reason == kNotAuthorized)
        throw failed(fmt::format("{}: the broker refuses user '{}' (check mqtt-user and mqtt-pass-file)",
                                 impl_->settings.mqtt_url, impl_->settings.mqtt_user));
      why = error.what();
    }
    if (stop.stop_requested()) return false;
    if (std::chrono::steady_clock::now() >= give_up)
      throw unreachable_error(fmt::format("{}: the broker cannot be reached: {}", impl_->settings.mqtt_url, why));
    if (!told) log_info("{} does not answer yet ({}), trying for {}", impl_->settings.mqtt_url, why,
                        format_duration(impl_->settings.connect_timeout));
    if (wait_for_stop(stop, kPauseMs)) return false;
  }
}

void MqttClient::subscribe(const std::string& topic_filter) {
  try {
    const mqtt::token_ptr token = impl_->client.subscribe(topic_filter, kQos);
    if (!token->wait_for(kTry)) throw unreachable_error("the broker does not answer a subscription");
    const int reason = static_cast<int>(token->get_reason_code());
    if (reason >= 128) throw failed(fmt::format("the broker refuses to let this user read {}", topic_filter));
  } catch (const mqtt::exception& error) {
    throw failed(fmt::format("cannot subscribe to {}: {}", topic_filter, error.what()));
  }
}

bool MqttClient::publish(std::string topic, std::string payload, bool retain, std::stop_token stop) {
  const auto message = mqtt::make_message(std::move(topic), std::move(payload), kQos, retain);
  for (;;) {
    {
      std::unique_lock lock(impl_->mutex);
      if (!impl_->changed.wait(lock, stop,
                               [&] { return impl_->under_way < impl_->settings.max_unacknowledged; }))
        return false;
      ++impl_->under_way;
    }
    try {
      impl_->client.publish(message, nullptr, *impl_);
      std::lock_guard lock(impl_->mutex);
      ++impl_->n_published;
      return true;
    } catch (const mqtt::exception& error) {
      {
        std::lock_guard lock(impl_->mutex);
        --impl_->under_way;
      }
      // The library's own bounds (65,535 ids, its buffer while away): more room comes with acknowledgements.
      const int code = error.get_return_code();
      if (code != MQTTASYNC_MAX_BUFFERED_MESSAGES && code != MQTTASYNC_NO_MORE_MSGIDS && code != MQTTASYNC_DISCONNECTED)
        throw failed(fmt::format("cannot publish to {}: {}", message->get_topic(), error.what()));
      if (wait_for_stop(stop, 10)) return false;
    }
  }
}

bool MqttClient::flush(Duration timeout, std::stop_token stop) {
  std::unique_lock lock(impl_->mutex);
  return impl_->changed.wait_for(lock, stop, std::chrono::nanoseconds(timeout.ns),
                                 [&] { return impl_->under_way == 0; });
}

void MqttClient::disconnect() {
  if (!impl_->client.is_connected()) return;
  const mqtt::token_ptr token = impl_->client.disconnect(1000);
  token->wait_for(kTry);
}

std::int64_t MqttClient::published() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->n_published;
}
std::int64_t MqttClient::acknowledged() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->n_acknowledged;
}
std::int64_t MqttClient::refused() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->n_refused;
}
const std::string& MqttClient::client_id() const { return impl_->parts.client_id; }

void check_topic_level(const std::string& level, const std::string& setting) {
  const bool bad = level.empty() || level.size() > 200 || level.front() == '$' ||
                   std::any_of(level.begin(), level.end(), [](unsigned char c) {
                     return c == '+' || c == '#' || c == '/' || c < 0x20 || c == 0x7f;
                   });
  if (bad) throw UsageError(fmt::format("{} '{}' cannot be a part of a topic: no +, #, /, $ in front", setting, level));
}

}  // namespace anomctl
