// An MQTT client, of version 5 and, where the broker does not know it, 3.1.1: publishes (at QoS 1 unless asked
// otherwise) with a bound on what is not acknowledged, and hands arriving messages on. It reconnects and subscribes again
// by itself; what was published and not acknowledged is sent again then. When another client connects with its id (told
// in MQTT 5 only) it stays away, for the two would throw each other off for ever. Thread rule: every member is safe from
// any thread but for the callbacks, which run on the library's thread: they may only hand on what they are given (a
// broker's acknowledgement goes out when `on_message` returns) and must not call the client.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"

namespace anomctl {

struct MqttSettings {
  std::string mqtt_url = "mqtt://127.0.0.1:1883";
  std::string mqtt_user;
  std::string mqtt_pass;
  std::string mqtt_version = "auto";
  fs::path ca_file, cert_file, key_file;
  Duration connect_timeout = seconds(30);
  std::int64_t max_unacknowledged = 1000;

  static void fields(auto& self, auto&& field) {
    field("mqtt_url", self.mqtt_url, "broker: mqtt://HOST[:PORT], or mqtts:// for TLS");
    field("mqtt_user", self.mqtt_user, "user name at the broker", Secret{});
    field("mqtt_pass", self.mqtt_pass, "password at the broker", Secret{});
    field("mqtt_version", self.mqtt_version, "version of MQTT; auto: 5, and 3.1.1 where the broker does not know it",
          OneOf{{"auto", "5", "3.1.1"}});
    field("ca_file", self.ca_file, "TLS: authority that signed the broker's certificate (default: the system's)");
    field("cert_file", self.cert_file, "TLS: own certificate, where the broker asks for one");
    field("key_file", self.key_file, "TLS: private key of the own certificate");
    field("connect_timeout", self.connect_timeout, "how long to try to reach the broker at the start");
    field("max_unacknowledged", self.max_unacknowledged, "most messages accepted and not yet acknowledged",
          Between{1, 60'000});
  }
};

struct MqttMessage {
  std::string topic, payload;
  bool retained = false;
};

struct MqttParts {
  std::string client_id;  // empty: a random one
  int publish_qos = 1;    // 0: acknowledged means handed to the network
  // The broker keeps subscriptions and queued messages of a client that listens and is away for this long (MQTT 5; in
  // 3.1.1 it is the broker that says how long).
  Duration session_expiry = seconds(3600);
  std::optional<MqttMessage> will;  // published by the broker when the client is lost
  std::function<void(MqttMessage message)> on_message;
  std::function<void()> on_connected;                      // also after each reconnect
  std::function<void(const std::string& why)> on_lost;     // the connection, not a message
  std::function<void()> on_taken_over;                     // by another client with our id; it is for good
  std::function<void(const std::string& why)> on_refused;  // one published message, by the broker (told in MQTT 5 only)
  // A published message needs no further care: the broker has it, or refuses it for good.
  std::function<void(std::uint64_t number)> on_acknowledged;
};

class MqttClient {
 public:
  // Throws UsageError for a URL that is none or files that do not go together.
  MqttClient(const MqttSettings& settings, MqttParts parts);
  ~MqttClient();  // disconnects without waiting for acknowledgements
  MqttClient(const MqttClient&) = delete;
  MqttClient& operator=(const MqttClient&) = delete;

  // Tries until it is connected. Throws Error(unreachable) after connect_timeout, Error(failed) when the broker refuses
  // user or password. False: stopped.
  bool connect(std::stop_token stop);
  // Throws Error(failed) when the broker refuses.
  void subscribe(const std::string& topic_filter);
  // Waits while max_unacknowledged messages are under way. False: stopped before it was taken.
  // `number` comes back by on_acknowledged.
  bool publish(std::string topic, std::string payload, bool retain, std::stop_token stop, std::uint64_t number = 0);
  // Waits until all is acknowledged; false after the timeout or a stop.
  bool flush(Duration timeout, std::stop_token stop = {});
  // Ends the connection in order; no message arrives after it returns. `connect` may be called again.
  void disconnect();

  // Whether the broker knew the id when `connect` returned, and so what it had subscribed to.
  bool session_present() const;
  std::int64_t published() const;
  std::int64_t acknowledged() const;
  std::int64_t refused() const;  // by the broker: no right to publish, too large
  const std::string& client_id() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Throws UsageError where a level of a topic cannot be one: empty, or holding one of + # / or a control character.
void check_topic_level(const std::string& level, const std::string& setting);

}  // namespace anomctl
