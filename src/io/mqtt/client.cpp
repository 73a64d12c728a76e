#include "anomctl/io/mqtt/client.h"

#include <fmt/format.h>
#include <mqtt/async_client.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"
#include "anomctl/io/net/reach.h"

namespace anomctl {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kQos = 1;
// Sent and not acknowledged: brokers take twenty at once unless they say otherwise (mosquitto ends the connection
// beyond its bound). The library is never given more, for what it holds back itself it takes up again only a second
// later.
constexpr std::size_t kInFlight = 16;
constexpr auto kTry = std::chrono::seconds(5);
// A connected broker that does not acknowledge for this long is sent the message again.
constexpr auto kRepeat = std::chrono::seconds(20);
constexpr int kPauseMs = 500;
constexpr int kBadUserOrPassword = 134, kNotAuthorized = 135;  // MQTT 5, 3.2.2.2

struct BrokerAddress {
  std::string uri, host;
  int port = 0;
  bool tls = false;
};

BrokerAddress broker_address(const MqttSettings& settings) {
  BrokerAddress address;
  const std::string& url = settings.mqtt_url;
  const std::size_t end = url.find("://");
  const std::string scheme = end == std::string::npos ? "mqtt" : url.substr(0, end);
  std::string rest = end == std::string::npos ? url : url.substr(end + 3);
  while (!rest.empty() && rest.back() == '/') rest.pop_back();
  if (scheme == "mqtts" || scheme == "ssl")
    address.tls = true;
  else if (scheme != "mqtt" && scheme != "tcp")
    throw UsageError(fmt::format("mqtt-url '{}': expected mqtt:// or mqtts://", url));
  if (rest.empty() || rest.find_first_of("/@ ") != std::string::npos)
    throw UsageError(
        fmt::format("mqtt-url: expected {}://HOST[:PORT] (users and passwords have settings of their own)", scheme));
  const std::size_t colon = rest.find(':', rest.front() == '[' ? rest.find(']') : 0);
  address.port = address.tls ? 8883 : 1883;
  address.host = rest.substr(0, colon);
  if (colon != std::string::npos) {
    const char *first = rest.data() + colon + 1, *last = rest.data() + rest.size();
    const auto [read, error] = std::from_chars(first, last, address.port);
    if (error != std::errc() || read != last || address.port < 1 || address.port > 65535)
      throw UsageError(fmt::format("mqtt-url '{}': expected a port from 1 to 65535", url));
  }
  address.uri = fmt::format("{}://{}:{}", address.tls ? "ssl" : "tcp", address.host, address.port);
  if (address.host.size() > 2 && address.host.front() == '[')
    address.host = address.host.substr(1, address.host.size() - 2);
  return address;
}

std::string why_of(const mqtt::token& token) {
  const int reason = static_cast<int>(token.get_reason_code());
  if (reason == kNotAuthorized) return "not authorized";
  if (reason >= 128) return mqtt::exception::reason_code_str(reason);
  return mqtt::exception::error_str(token.get_return_code());
}

}  // namespace

// What is published waits in `waiting`, in order; a thread of its own hands it to the library, at most kInFlight
// messages at a time. What the library gives up (a broker that came back without the session) goes to the front again.
struct MqttClient::Impl : public mqtt::iaction_listener {
  struct Waiting {
    mqtt::const_message_ptr message;
    std::uint64_t number = 0;  // the caller's
  };
  struct Sent {
    Waiting what;
    SteadyClock::time_point since;
  };

  Impl(const MqttSettings& s, MqttParts p, BrokerAddress a) : settings(s), parts(std::move(p)), address(std::move(a)) {}

  // The library's client, of one try to connect.
  void make_client() {
    client.reset();
    client = std::make_unique<mqtt::async_client>(
        address.uri, parts.client_id, mqtt::create_options_builder().mqtt_version(MQTTVERSION_5).finalize());
    client->set_connected_handler([this](const std::string&) {
      {
        std::lock_guard lock(mutex);
        connected = true;
        subscribe_again = !filters.empty();
        take_back();
        changed.notify_all();
      }
      if (parts.on_connected) parts.on_connected();
    });
    client->set_connection_lost_handler([this](const std::string& cause) {
      {
        std::lock_guard lock(mutex);
        connected = false;
      }
      if (parts.on_lost) parts.on_lost(cause.empty() ? "the connection was closed" : cause);
    });
    client->set_message_callback([this](mqtt::const_message_ptr message) {
      if (parts.on_message) parts.on_message({message->get_topic(), message->to_string(), message->is_retained()});
    });
  }

  // Of sent messages; the token's context is the message's number.
  void on_success(const mqtt::token& token) override {
    std::uint64_t number = 0;
    {
      std::lock_guard lock(mutex);
      const auto sent = in_flight.find(number_of(token));
      if (sent == in_flight.end()) return;  // of a message that was sent again meanwhile
      number = sent->second.what.number;
      in_flight.erase(sent);
      ++n_acknowledged;
      changed.notify_all();
    }
    if (parts.on_acknowledged) parts.on_acknowledged(number);
  }
  void on_failure(const mqtt::token& token) override {
    const bool refused = static_cast<int>(token.get_reason_code()) >= 128;
    std::uint64_t number = 0;
    {
      std::lock_guard lock(mutex);
      const auto sent = in_flight.find(number_of(token));
      if (sent == in_flight.end()) return;
      number = sent->second.what.number;
      if (refused)
        ++n_refused;
      else
        waiting.push_front(sent->second.what);
      in_flight.erase(sent);
      changed.notify_all();
    }
    if (refused && parts.on_refused) parts.on_refused(why_of(token));
    if (refused && parts.on_acknowledged) parts.on_acknowledged(number);
  }
  static std::uintptr_t number_of(const mqtt::token& token) {
    return reinterpret_cast<std::uintptr_t>(token.get_user_context());
  }

  // What was sent and not acknowledged when the connection broke goes out first. (The library must not send it again: of
  // a message whose write failed, 1.3.12 sends memory that it has freed, and the broker ends the connection for that.)
  void take_back() {
    for (auto sent = in_flight.rbegin(); sent != in_flight.rend(); ++sent) waiting.push_front(sent->second.what);
    in_flight.clear();
  }
  std::int64_t under_way() const { return static_cast<std::int64_t>(waiting.size() + in_flight.size()); }

  void send_all(std::stop_token stop) {
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      changed.wait_for(lock, stop, std::chrono::seconds(1), [&] {
        return connected && (subscribe_again || (!waiting.empty() && in_flight.size() < kInFlight));
      });
      if (stop.stop_requested() || !connected) continue;
      repeat_late();
      if (subscribe_again) renew_subscriptions(lock);
      if (waiting.empty() || in_flight.size() >= kInFlight) continue;
      const Waiting next = waiting.front();
      waiting.pop_front();
      const std::uintptr_t number = ++last_number;
      in_flight[number] = {next, SteadyClock::now()};
      lock.unlock();
      bool taken = true;
      try {
        client->publish(next.message, reinterpret_cast<void*>(number), *this);
      } catch (const mqtt::exception&) {  // away again; the next try is after the pause
        taken = false;
      }
      if (!taken) wait_for_stop(stop, 10);
      lock.lock();
      if (!taken && in_flight.erase(number) > 0) waiting.push_front(next);
    }
  }
  void repeat_late() {
    const auto now = SteadyClock::now();
    for (auto sent = in_flight.rbegin(); sent != in_flight.rend(); ++sent)
      if (now - sent->second.since > kRepeat) waiting.push_front(sent->second.what);
    std::erase_if(in_flight, [&](const auto& sent) { return now - sent.second.since > kRepeat; });
  }
  // A broker that lost its sessions knows no subscription any more.
  void renew_subscriptions(std::unique_lock<std::mutex>& lock) {
    subscribe_again = false;
    const std::vector<std::string> all = filters;
    lock.unlock();
    try {
      for (const std::string& filter : all) client->subscribe(filter, kQos);
      lock.lock();
    } catch (const mqtt::exception&) {
      lock.lock();
      subscribe_again = true;
      connected = connected && client->is_connected();
    }
  }

  MqttSettings settings;
  MqttParts parts;
  BrokerAddress address;
  mutable std::mutex mutex;
  std::condition_variable_any changed;
  bool connected = false, subscribe_again = false;
  std::vector<std::string> filters;
  std::deque<Waiting> waiting;
  std::map<std::uintptr_t, Sent> in_flight;  // by number: in the order they were sent
  std::uintptr_t last_number = 0;
  std::int64_t n_published = 0, n_acknowledged = 0, n_refused = 0;
  mqtt::connect_options options;
  std::unique_ptr<mqtt::async_client> client;  // its callbacks use what is above
  std::jthread sender;                         // uses all of it
};

MqttClient::MqttClient(const MqttSettings& settings, MqttParts parts) {
  const BrokerAddress address = broker_address(settings);
  if (settings.cert_file.empty() != settings.key_file.empty())
    throw UsageError("cert-file and key-file go together: give both or none");
  if (!address.tls && !(settings.ca_file.empty() && settings.cert_file.empty()))
    throw UsageError("ca-file, cert-file and key-file need a broker URL that begins with mqtts://");
  for (const fs::path& file : {settings.ca_file, settings.cert_file, settings.key_file})
    if (!file.empty() && !fs::exists(file)) throw UsageError(fmt::format("{}: there is no such file", file.string()));
  if (parts.client_id.empty()) parts.client_id = "anomctl-" + random_hex(6);
  impl_ = std::make_unique<Impl>(settings, std::move(parts), address);
  Impl& impl = *impl_;

  mqtt::connect_options& options = impl.options;
  options.set_mqtt_version(MQTTVERSION_5);
  // Only a session with subscriptions is worth keeping; see take_back.
  const bool listens = static_cast<bool>(impl.parts.on_message);
  options.set_clean_start(!listens);
  if (!listens) impl.parts.session_expiry = {};
  options.set_properties({{mqtt::property::SESSION_EXPIRY_INTERVAL,
                           static_cast<std::int32_t>(std::max(0.0, impl.parts.session_expiry.seconds()))}});
  options.set_keep_alive_interval(std::chrono::seconds(20));
  options.set_connect_timeout(kTry);
  options.set_max_inflight(static_cast<int>(4 * kInFlight));  // more than it is given
  options.set_automatic_reconnect(std::chrono::seconds(1), std::chrono::seconds(8));
  if (!settings.mqtt_user.empty()) options.set_user_name(settings.mqtt_user);
  if (!settings.mqtt_pass.empty()) options.set_password(settings.mqtt_pass);
  if (impl.parts.will)
    options.set_will(mqtt::will_options(impl.parts.will->topic, impl.parts.will->payload, kQos, true));
  if (address.tls) {
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
}

MqttClient::~MqttClient() {
  try {
    disconnect();
  } catch (const std::exception&) {  // the connection is gone all the same
  }
}

bool MqttClient::connect(std::stop_token stop) {
  Impl& impl = *impl_;
  const std::string& url = impl.settings.mqtt_url;
  const auto give_up = SteadyClock::now() + std::chrono::nanoseconds(impl.settings.connect_timeout.ns);
  for (bool told = false;; told = true) {
    std::string why = why_unreachable(impl.address.host, impl.address.port, seconds(5));
    if (why.empty()) {
      try {
        impl.make_client();
        // The library gives up by itself after kTry.
        if (impl.client->connect(impl.options)->wait_for(2 * kTry)) {
          if (!impl.sender.joinable())
            impl.sender = std::jthread([&impl](std::stop_token ended) { impl.send_all(ended); });
          return true;
        }
        why = "no answer";
      } catch (const mqtt::exception& error) {
        // Of a refused connection it is the return code that holds MQTT's reason.
        const int reason = std::max(static_cast<int>(error.get_reason_code()), error.get_return_code());
        if (reason == kBadUserOrPassword || reason == kNotAuthorized)
          throw failed(fmt::format("{}: the broker refuses user '{}' (check mqtt-user and mqtt-pass-file)", url,
                                   impl.settings.mqtt_user));
        why = error.what();
      }
    }
    if (stop.stop_requested()) return false;
    if (SteadyClock::now() >= give_up)
      throw unreachable_error(fmt::format("{}: the broker cannot be reached: {}", url, why));
    if (!told)
      log_info("{} does not answer yet ({}), trying for {}", url, why, format_duration(impl.settings.connect_timeout));
    if (wait_for_stop(stop, kPauseMs)) return false;
  }
}

void MqttClient::subscribe(const std::string& topic_filter) {
  try {
    const mqtt::token_ptr token = impl_->client->subscribe(topic_filter, kQos);
    if (!token->wait_for(kTry)) throw unreachable_error("the broker does not answer a subscription");
    const int reason = static_cast<int>(token->get_reason_code());
    if (reason >= 128) throw failed(fmt::format("the broker refuses to let this user read {}", topic_filter));
  } catch (const mqtt::exception& error) {
    throw failed(fmt::format("cannot subscribe to {}: {}", topic_filter, error.what()));
  }
  std::lock_guard lock(impl_->mutex);
  if (std::find(impl_->filters.begin(), impl_->filters.end(), topic_filter) == impl_->filters.end())
    impl_->filters.push_back(topic_filter);
}

bool MqttClient::publish(std::string topic, std::string payload, bool retain, std::stop_token stop,
                         std::uint64_t number) {
  auto message = mqtt::make_message(std::move(topic), std::move(payload), impl_->parts.publish_qos, retain);
  std::unique_lock lock(impl_->mutex);
  if (!impl_->changed.wait(lock, stop, [&] { return impl_->under_way() < impl_->settings.max_unacknowledged; }))
    return false;
  impl_->waiting.push_back({std::move(message), number});
  ++impl_->n_published;
  impl_->changed.notify_all();
  return true;
}

bool MqttClient::flush(Duration timeout, std::stop_token stop) {
  std::unique_lock lock(impl_->mutex);
  return impl_->changed.wait_for(lock, stop, std::chrono::nanoseconds(timeout.ns),
                                 [&] { return impl_->under_way() == 0; });
}

void MqttClient::disconnect() {
  Impl& impl = *impl_;
  if (impl.sender.joinable()) {
    impl.sender.request_stop();
    impl.sender.join();
  }
  {
    std::lock_guard lock(impl.mutex);
    impl.connected = false;
  }
  if (impl.client == nullptr || !impl.client->is_connected()) return;
  impl.client->disconnect(1000)->wait_for(kTry);
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
