#include "anomctl/io/mqtt/client.h"

#include <fmt/format.h>
#include <mqtt/async_client.h>

#include <algorithm>
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
#include "io/mqtt/connection.h"

namespace anomctl {
namespace {

using mqtt_connection::kInFlight, mqtt_connection::kQos, mqtt_connection::kTry;
using SteadyClock = std::chrono::steady_clock;

// A connected broker that does not acknowledge for this long is sent the message again.
constexpr auto kRepeat = std::chrono::seconds(20);
constexpr int kPauseMs = 500;

std::string why_of(const mqtt::token& token) {
  const int reason = static_cast<int>(token.get_reason_code());
  if (reason == mqtt::ReasonCode::NOT_AUTHORIZED) return "not authorized";
  if (reason >= 128) return mqtt::exception::reason_code_str(reason);
  const std::string why = mqtt::exception::error_str(token.get_return_code());
  return why.empty() ? "it does not say why" : why;
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

  Impl(const MqttSettings& s, MqttParts p)
      : settings(s),
        parts(std::move(p)),
        address(mqtt_connection::broker_address(s)),
        versions(mqtt_connection::versions(s)) {}

  // One try with one version. Empty: connected.
  std::string try_connect(int version) {
    version_refused = false;
    {
      std::lock_guard lock(mutex);
      tls_error.clear();
    }
    try {
      make_client(version);
      // The library gives up by itself after kTry.
      const auto note = [this](const std::string& why) {
        std::lock_guard lock(mutex);
        if (tls_error.size() < 500) tls_error += why;
      };
      const auto options = mqtt_connection::connect_options({settings, parts, address, note}, version);
      const mqtt::token_ptr token = client->connect(options);
      if (!token->wait_for(2 * kTry)) return "no answer";
      session_present = token->get_connect_response().is_session_present();
      return "";
    } catch (const mqtt::exception& error) {
      if (mqtt_connection::refuses_user(error))
        throw failed(fmt::format("{}: the broker refuses user '{}' (check mqtt-user and mqtt-pass-file)",
                                 settings.mqtt_url, settings.mqtt_user));
      version_refused = mqtt_connection::refuses_version(error);
      std::lock_guard lock(mutex);
      return tls_error.empty() ? error.what() : mqtt_connection::explained(tls_error);
    }
  }

  // The library's client, of one try to connect.
  void make_client(int version) {
    client.reset();
    client = std::make_unique<mqtt::async_client>(address.uri, parts.client_id,
                                                  mqtt::create_options_builder().mqtt_version(version).finalize());
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
    client->set_disconnected_handler([this](const mqtt::properties&, mqtt::ReasonCode reason) {
      if (reason != mqtt::ReasonCode::SESSION_TAKEN_OVER) return;
      {
        std::lock_guard lock(mutex);
        taken_over = true;
        changed.notify_all();
      }
      if (parts.on_taken_over) parts.on_taken_over();
    });
    client->set_connection_lost_handler([this](const std::string& cause) {
      {
        std::lock_guard lock(mutex);
        connected = false;
        if (taken_over) return;
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
        return taken_over || (connected && (subscribe_again || (!waiting.empty() && in_flight.size() < kInFlight)));
      });
      if (taken_over) {
        lock.unlock();
        stay_away();
        return;
      }
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
  // Ends the library's own tries to connect again.
  void stay_away() {
    try {
      client->disconnect();
    } catch (const mqtt::exception&) {  // it is away already
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
  mqtt_connection::BrokerAddress address;
  bool version_refused = false;  // by the last try
  std::string tls_error;         // of the last try, under mutex
  std::vector<int> versions;     // that are tried, in this order; once connected only the one that worked
  mutable std::mutex mutex;
  std::condition_variable_any changed;
  bool connected = false, subscribe_again = false, taken_over = false, session_present = false;
  std::vector<std::string> filters;
  std::deque<Waiting> waiting;
  std::map<std::uintptr_t, Sent> in_flight;  // by number: in the order they were sent
  std::uintptr_t last_number = 0;
  std::int64_t n_published = 0, n_acknowledged = 0, n_refused = 0;
  std::unique_ptr<mqtt::async_client> client;  // its callbacks use what is above
  std::jthread sender;                         // uses all of it
};

MqttClient::MqttClient(const MqttSettings& settings, MqttParts parts) {
  mqtt_connection::check(settings);
  if (parts.client_id.empty()) parts.client_id = "anomctl-" + random_hex(6);
  impl_ = std::make_unique<Impl>(settings, std::move(parts));
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
    for (std::size_t i = 0; i < impl.versions.size() && (i > 0 || why.empty()); ++i) {
      const int version = impl.versions[i];
      why = impl.try_connect(version);
      if (impl.version_refused) continue;
      if (!why.empty()) break;
      if (i > 0) log_info("{} does not know MQTT 5: this goes by 3.1.1", url);
      impl.versions = {version};
      if (!impl.sender.joinable()) impl.sender = std::jthread([&impl](std::stop_token ended) { impl.send_all(ended); });
      return true;
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

bool MqttClient::session_present() const { return impl_->session_present; }

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
