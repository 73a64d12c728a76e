// How a client gets to its broker: where to, as whom, in which version of MQTT, with which session. Private to mqtt.
// Thread rule: pure functions.
#pragma once

#include <mqtt/connect_options.h>
#include <mqtt/exception.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "anomctl/io/mqtt/client.h"

namespace anomctl::mqtt_connection {

inline constexpr int kQos = 1;
inline constexpr auto kTry = std::chrono::seconds(5);  // to connect
// Sent and not acknowledged: brokers take twenty at once unless they say otherwise (mosquitto ends the connection
// beyond its bound). The library is never given more, for what it holds back itself it takes up again only a second
// later.
inline constexpr std::size_t kInFlight = 16;

struct BrokerAddress {
  std::string uri, host;
  int port = 0;
  bool tls = false;
};

// Throws UsageError.
BrokerAddress broker_address(const MqttSettings& settings);
// Throws UsageError for files that do not go together or are not there, Error(bad_input) for those that are of no use.
void check(const MqttSettings& settings);
// The library's numbers of the versions that may be tried, the preferred one first.
std::vector<int> versions(const MqttSettings& settings);

struct Who {
  const MqttSettings& settings;
  const MqttParts& parts;
  const BrokerAddress& address;
  // What OpenSSL says of a connection that it refuses, on the library's thread.
  std::function<void(const std::string&)> on_tls_error;
};
mqtt::connect_options connect_options(const Who& who, int version);

// What to do about a failure of TLS, with OpenSSL's words.
std::string explained(const std::string& tls_error);

// Whether the broker knows the protocol and does not let this user in.
bool refuses_user(const mqtt::exception& error);
// Whether the broker answered that it does not know this version.
bool refuses_version(const mqtt::exception& error);

}  // namespace anomctl::mqtt_connection
