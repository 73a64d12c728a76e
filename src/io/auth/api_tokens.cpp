#include "anomctl/io/auth/api_tokens.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "anomctl/core/error.h"

namespace anomctl {

namespace {

constexpr std::size_t kSecretBytes = 32, kSaltBytes = 16, kHashBytes = 32;
constexpr std::string_view kCertificate = "certificate";
constexpr Scope kScopes[] = {Scope::infer, Scope::read, Scope::label, Scope::admin};

// A certificate's common name may also hold dots; a token's ends at its first.
bool is_name(std::string_view name, bool certificate) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [&](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '_' || (certificate && c == '.');
  });
}

void check_name(const std::string& name, bool certificate) {
  if (!is_name(name, certificate))
    throw UsageError("'" + name + "' cannot name a caller: use up to 64 letters, digits, '-' and '_'");
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find_first_not_of(separators, at);
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(text.find_first_of(separators, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    at = end;
  }
  return parts;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::optional<std::string> unhex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned value = 0;
    const auto result = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    if (result.ec != std::errc() || result.ptr != text.data() + i + 2) return std::nullopt;
    out += static_cast<char>(value);
  }
  return text.size() % 2 == 0 ? std::optional(out) : std::nullopt;
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string scrypt(std::string_view secret, std::string_view salt, const ScryptCost& cost) {
  std::string out(kHashBytes, '\0');
  const std::uint64_t n = std::uint64_t{1} << cost.log2n;
  const std::uint64_t memory = 128 * static_cast<std::uint64_t>(cost.r) * (n + cost.p + 2) + kMiB;
  if (EVP_PBE_scrypt(secret.data(), secret.size(), bytes_of(salt), salt.size(), n, cost.r, cost.p, memory,
                     reinterpret_cast<unsigned char*>(out.data()), out.size()) != 1)
    throw failed("OpenSSL could not derive a scrypt hash");
  return out;
}

bool parse_number(std::string_view text, unsigned lowest, unsigned highest, unsigned& value) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size() && value >= lowest && value <= highest;
}

}  // namespace

struct ApiTokens::Entry {
  ApiCaller caller;
  bool certificate = false;
  ScryptCost cost;
  std::string salt, hash;
  std::optional<Digest> verified;  // under mutex_: of the secret that was right
};

std::string_view scope_name(Scope scope) {
  switch (scope) {
    case Scope::infer:
      return "infer";
    case Scope::read:
      return "read";
    case Scope::label:
      return "label";
    case Scope::admin:
      return "admin";
    default:
      return "none";
  }
}

std::string Scopes::text() const {
  std::string out;
  for (const Scope scope : kScopes)
    if (has(scope)) out += (out.empty() ? "" : ",") + std::string(scope_name(scope));
  return out;
}

Scopes Scopes::of(const std::vector<std::string>& words) {
  Scopes scopes;
  for (const std::string& word : words) {
    const auto* found =
        std::find_if(std::begin(kScopes), std::end(kScopes), [&](Scope s) { return scope_name(s) == word; });
    if (found == std::end(kScopes)) throw UsageError("'" + word + "' is no scope: infer, read, label and admin are");
    scopes.add(*found);
  }
  return scopes;
}

std::string make_api_token(const std::string& name) {
  check_name(name, false);
  return name + "." + random_hex(kSecretBytes);
}

std::string api_token_line(const std::string& token, const Scopes& scopes, const ScryptCost& cost) {
  const std::size_t dot = token.find('.');
  check_name(token.substr(0, dot), false);
  if (dot == std::string::npos || dot + 1 == token.size()) throw UsageError("a token has the form NAME.SECRET");
  std::string salt(kSaltBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), static_cast<int>(salt.size())) != 1)
    throw failed("the system's random source failed");
  return fmt::format("{} {} scrypt:{}:{}:{}:{}:{}", token.substr(0, dot), scopes.text(), cost.log2n, cost.r, cost.p,
                     hex(salt), hex(scrypt(token.substr(dot + 1), salt, cost)));
}

std::string api_certificate_line(const std::string& name, const Scopes& scopes) {
  check_name(name, true);
  return fmt::format("{} {} {}", name, scopes.text(), kCertificate);
}

std::string replace_api_line(std::string_view text, const std::string& name, const std::string& line) {
  std::string out;
  for (const std::string_view old : split(text, "\n")) {
    const auto words = split(old, " \t\r");
    if (words.empty() || words.front() != name) out += std::string(old) + "\n";
  }
  if (!line.empty()) out += line + "\n";
  return out;
}

ApiTokens::ApiTokens(std::string_view text, const std::string& where) {
  if (RAND_bytes(key_.data(), static_cast<int>(key_.size())) != 1) throw failed("the system's random source failed");
  int number = 0;
  for (std::size_t at = 0; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const auto words = split(text.substr(at, end - at), " \t\r");
    at = end + 1;
    if (words.empty() || words.front().front() == '#') continue;
    const auto wrong = [&](const std::string& why) {
      return UsageError(
          fmt::format("{}:{}: {} (lines are NAME SCOPES scrypt:… or NAME SCOPES certificate; "
                      "anomctl api-token writes them)",
                      where, number + 1, why));
    };
    auto entry = std::make_unique<Entry>();
    if (words.size() != 3) throw wrong(fmt::format("{} words instead of 3", words.size()));
    entry->caller.name = words[0];
    entry->certificate = words[2] == kCertificate;
    if (!is_name(words[0], entry->certificate)) throw wrong("the name may hold letters, digits, '-' and '_' only");
    std::vector<std::string> scopes;
    for (const std::string_view scope : split(words[1], ",")) scopes.emplace_back(scope);
    try {
      entry->caller.scopes = Scopes::of(scopes);
    } catch (const UsageError& e) {
      throw wrong(e.what());
    }
    if (!entry->certificate) {
      const auto parts = split(words[2], ":");
      if (parts.size() != 6 || parts[0] != "scrypt" || !parse_number(parts[1], 1, 20, entry->cost.log2n) ||
          !parse_number(parts[2], 1, 32, entry->cost.r) || !parse_number(parts[3], 1, 16, entry->cost.p))
        throw wrong("the third word is no scrypt hash");
      const auto salt = unhex(parts[4]), hash = unhex(parts[5]);
      if (!salt || salt->size() < 8 || !hash || hash->size() != kHashBytes) throw wrong("salt or hash is not whole");
      entry->salt = *salt;
      entry->hash = *hash;
    }
    for (const auto& other : entries_)
      if (other->caller.name == entry->caller.name) throw wrong("'" + entry->caller.name + "' stands here twice");
    entries_.push_back(std::move(entry));
  }
}

ApiTokens::~ApiTokens() = default;

ApiTokens::Entry* ApiTokens::find(std::string_view token, std::string_view& secret) const {
  const std::size_t dot = token.find('.');
  if (dot == std::string_view::npos) return nullptr;
  secret = token.substr(dot + 1);
  for (const auto& entry : entries_)
    if (!entry->certificate && entry->caller.name == token.substr(0, dot)) return entry.get();
  return nullptr;
}

bool ApiTokens::knows_name(std::string_view token) const {
  std::string_view secret;
  return find(token, secret) != nullptr;
}

ApiTokens::Digest ApiTokens::keyed(std::string_view secret) const {
  Digest digest{};
  unsigned length = 0;
  if (HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), bytes_of(secret), secret.size(), digest.data(),
           &length) == nullptr)
    throw failed("OpenSSL could not hash");
  return digest;
}

std::optional<ApiCaller> ApiTokens::remembered(std::string_view token) const {
  std::string_view secret;
  const Entry* entry = find(token, secret);
  if (entry == nullptr) return std::nullopt;
  const Digest digest = keyed(secret);
  const std::lock_guard lock(mutex_);
  if (!entry->verified || CRYPTO_memcmp(digest.data(), entry->verified->data(), digest.size()) != 0)
    return std::nullopt;
  return entry->caller;
}

std::optional<ApiCaller> ApiTokens::verify(std::string_view token) {
  std::string_view secret;
  Entry* entry = find(token, secret);
  if (entry == nullptr) return std::nullopt;
  const std::string hash = scrypt(secret, entry->salt, entry->cost);
  if (CRYPTO_memcmp(hash.data(), entry->hash.data(), hash.size()) != 0) return std::nullopt;
  const Digest digest = keyed(secret);
  const std::lock_guard lock(mutex_);
  entry->verified = digest;
  return entry->caller;
}

std::optional<ApiCaller> ApiTokens::by_certificate(std::string_view common_name) const {
  for (const auto& entry : entries_)
    if (entry->certificate && entry->caller.name == common_name) return entry->caller;
  return std::nullopt;
}

}  // namespace anomctl
