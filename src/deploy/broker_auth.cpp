#include "anomctl/deploy/broker_auth.h"

#include <fmt/core.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

constexpr std::size_t kSaltBytes = 12;
constexpr std::size_t kHashBytes = 64;

std::string base64(const unsigned char* bytes, std::size_t n) {
  std::string out(4 * ((n + 2) / 3), '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes, static_cast<int>(n));
  return out;
}

}  // namespace

std::string mosquitto_password_line(const Login& login, std::string_view salt, int iterations) {
  if (login.user.empty() || login.user.find_first_of(":\n\r") != std::string::npos) {
    throw UsageError(
        fmt::format("'{}' cannot be a user name of mosquitto: it is empty or holds ':' or a line end", login.user));
  }
  if (login.password.empty()) throw UsageError(fmt::format("the password of {} is empty", login.user));
  std::array<unsigned char, kSaltBytes> salt_bytes{};
  if (salt.empty()) {
    if (RAND_bytes(salt_bytes.data(), kSaltBytes) != 1) throw failed("the system's random source failed");
  } else if (salt.size() != kSaltBytes) {
    throw UsageError(fmt::format("mosquitto takes a salt of {} bytes, not {}", kSaltBytes, salt.size()));
  } else {
    std::copy(salt.begin(), salt.end(), salt_bytes.begin());
  }
  std::array<unsigned char, kHashBytes> hash{};
  if (PKCS5_PBKDF2_HMAC(login.password.data(), static_cast<int>(login.password.size()), salt_bytes.data(), kSaltBytes,
                        iterations, EVP_sha512(), kHashBytes, hash.data()) != 1) {
    throw failed("OpenSSL could not derive the password hash");
  }
  return fmt::format("{}:$7${}${}${}", login.user, iterations, base64(salt_bytes.data(), kSaltBytes),
                     base64(hash.data(), kHashBytes));
}

std::string mosquitto_acl(const AclRoles& roles) {
  std::string out = "# Written by anomctl set-auth. What is not named here is denied.\n";
  const auto section = [&](const std::string& user) { out += fmt::format("\nuser {}\n", user); };
  const auto allow = [&](const char* access, const char* topic) {
    out += fmt::format("topic {} {}/{}\n", access, roles.org, topic);
  };
  section(roles.sensor_user);
  allow("write", "sensor/+");
  section(roles.manager_user);
  allow("read", "sensor/+");
  allow("read", "maintenance/+");
  allow("write", "anomaly/+");
  allow("write", "alert/+");
  allow("write", "status/+");
  out += "topic read $SYS/broker/uptime\n";
  section(roles.telegraf_user);
  allow("read", "#");
  out += "topic read $SYS/#\n";
  if (!roles.operator_user.empty()) {
    section(roles.operator_user);
    allow("read", "#");
    allow("write", "maintenance/+");
  }
  return out;
}

std::string password_weakness(const Login& login) {
  static constexpr std::array<std::string_view, 12> kCommon = {"password",   "passwort",  "12345678", "123456789",
                                                               "1234567890", "qwertyui",  "admin123", "letmein1",
                                                               "changeme",   "mosquitto", "influxdb", "telegraf"};
  std::string lower;
  for (const char c : login.password) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (login.password.size() < 8) return "it has fewer than 8 characters";
  if (lower == login.user) return "it is the user name";
  if (std::find(kCommon.begin(), kCommon.end(), lower) != kCommon.end()) return "it is among the first that are tried";
  if (std::all_of(lower.begin(), lower.end(), [&](char c) { return c == lower.front(); }))
    return "it is one character repeated";
  return {};
}

}  // namespace anomctl
