#include "io/mqtt/connection.h"

#include <MQTTAsync.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "anomctl/core/error.h"
#include "io/net/tls_context.h"

namespace anomctl::mqtt_connection {

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

void check(const MqttSettings& settings) {
  if (settings.cert_file.empty() != settings.key_file.empty())
    throw UsageError("cert-file and key-file go together: give both or none");
  if (!broker_address(settings).tls && !(settings.ca_file.empty() && settings.cert_file.empty()))
    throw UsageError("ca-file, cert-file and key-file need a broker URL that begins with mqtts://");
  for (const fs::path& file : {settings.ca_file, settings.cert_file, settings.key_file})
    if (!file.empty() && !fs::exists(file)) throw UsageError(fmt::format("{}: there is no such file", file.string()));
  net::client_context(settings.ca_file, settings.cert_file, settings.key_file);  // says what is wrong with them
}

std::vector<int> versions(const MqttSettings& settings) {
  if (settings.mqtt_version == "5") return {MQTTVERSION_5};
  if (settings.mqtt_version == "3.1.1") return {MQTTVERSION_3_1_1};
  return {MQTTVERSION_5, MQTTVERSION_3_1_1};
}

mqtt::connect_options connect_options(const Who& who, int version) {
  const MqttSettings& settings = who.settings;
  mqtt::connect_options options;
  options.set_mqtt_version(version);
  // Only a session with subscriptions is worth keeping: what was published and not acknowledged is published anew.
  const bool listens = static_cast<bool>(who.parts.on_message);
  if (version >= MQTTVERSION_5) {
    options.set_clean_start(!listens);
    const double expiry = listens ? std::max(0.0, who.parts.session_expiry.seconds()) : 0;
    options.set_properties({{mqtt::property::SESSION_EXPIRY_INTERVAL, static_cast<std::int32_t>(expiry)}});
  } else {
    options.set_clean_session(!listens);  // how long it is kept is for the broker to say
  }
  options.set_keep_alive_interval(std::chrono::seconds(20));
  options.set_connect_timeout(kTry);
  options.set_max_inflight(static_cast<int>(4 * kInFlight));  // more than it is given
  options.set_automatic_reconnect(std::chrono::seconds(1), std::chrono::seconds(8));
  if (!settings.mqtt_user.empty()) options.set_user_name(settings.mqtt_user);
  if (!settings.mqtt_pass.empty()) options.set_password(settings.mqtt_pass);
  if (who.parts.will) options.set_will(mqtt::will_options(who.parts.will->topic, who.parts.will->payload, kQos, true));
  if (who.address.tls) {
    mqtt::ssl_options ssl;
    if (!settings.ca_file.empty()) ssl.set_trust_store(settings.ca_file.string());
    if (!settings.cert_file.empty()) {
      ssl.set_key_store(settings.cert_file.string());
      ssl.set_private_key(settings.key_file.string());
    }
    ssl.set_verify(true);
    ssl.set_enable_server_cert_auth(true);
    if (who.on_tls_error) ssl.set_error_handler(who.on_tls_error);
    options.set_ssl(ssl);
  }
  return options;
}

namespace {

// What the broker answered. Of a refused connection the return code holds MQTT's reason.
int answer_of(const mqtt::exception& error) {
  return std::max(static_cast<int>(error.get_reason_code()), error.get_return_code());
}

}  // namespace

std::string explained(const std::string& tls_error) {
  const auto says = [&](const char* words) { return tls_error.find(words) != std::string::npos; };
  std::string plain;
  for (const char c : tls_error) plain += c == '\n' || c == '\r' ? ' ' : c;
  while (plain.ends_with(' ')) plain.pop_back();
  const char* advice = "TLS failed";
  if (says("certificate verify failed"))
    advice = "its certificate is not of an authority that we know, or of another host (ca-file)";
  else if (says("certificate required") || says("handshake failure") || says("peer did not return"))
    advice = "it asks for our certificate (cert-file and key-file), or takes none of our ciphers";
  else if (says("unknown ca") || says("bad certificate"))
    advice = "it does not take our certificate (cert-file)";
  return fmt::format("{}: {}", advice, plain);
}

// MQTT 5, 3.2.2.2, and MQTT 3.1.1, 3.2.2.3.
bool refuses_user(const mqtt::exception& error) {
  const int answer = answer_of(error);
  return answer == 134 || answer == 135 || answer == 4 || answer == 5;
}
bool refuses_version(const mqtt::exception& error) {
  const int answer = answer_of(error);
  return answer == 132 || answer == 1;
}

}  // namespace anomctl::mqtt_connection
