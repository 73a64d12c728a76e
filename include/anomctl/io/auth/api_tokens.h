// API tokens of a server: "NAME.SECRET", of which only a scrypt hash (RFC 7914) is kept, in a file of one line a
// caller:
//     NAME  SCOPES  scrypt:LOG2N:R:P:SALT:HASH      NAME  SCOPES  certificate
// SCOPES is a list such as infer,read; a line that begins with # says nothing. `certificate`: who shows a client
// certificate with that common name. Thread rule: the functions are pure; ApiTokens is safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "anomctl/core/files.h"

namespace anomctl {

// What a request needs and a token may allow. Each stands for itself: admin alone may load models, not ask them.
enum class Scope { none, infer, read, label, admin };
std::string_view scope_name(Scope scope);

class Scopes {
 public:
  void add(Scope scope) { bits_ |= bit(scope); }
  bool has(Scope scope) const { return scope == Scope::none || (bits_ & bit(scope)) != 0; }
  bool empty() const { return bits_ == 0; }
  std::string text() const;  // "infer,read"
  // Throws UsageError naming the word that is none of infer, read, label, admin.
  static Scopes of(const std::vector<std::string>& words);

 private:
  static unsigned bit(Scope scope) { return 1U << static_cast<unsigned>(scope); }
  unsigned bits_ = 0;
};

struct ApiCaller {
  std::string name;
  Scopes scopes;
};

// The cost of one hash: memory is 128 * r * 2^log2n bytes.
struct ScryptCost {
  unsigned log2n = 14, r = 8, p = 1;  // 16 MiB and some 40 ms
};

// A new random token for `name` (letters, digits, '-' and '_'); throws UsageError for other names.
std::string make_api_token(const std::string& name);
// The line that lets `token` in.
std::string api_token_line(const std::string& token, const Scopes& scopes, const ScryptCost& cost = {});
std::string api_certificate_line(const std::string& name, const Scopes& scopes);
// `text` without the line of `name`, and with `line` where it is not empty.
std::string replace_api_line(std::string_view text, const std::string& name, const std::string& line);

class ApiTokens {
 public:
  // Throws UsageError that begins with `where` and the number of the line.
  ApiTokens(std::string_view text, const std::string& where);
  ~ApiTokens();
  ApiTokens(const ApiTokens&) = delete;
  ApiTokens& operator=(const ApiTokens&) = delete;

  bool empty() const { return entries_.empty(); }
  // Whether the file knows the token's name: only then is a hash worth its time.
  bool knows_name(std::string_view token) const;
  // Who it is where this token was verified before; takes microseconds.
  std::optional<ApiCaller> remembered(std::string_view token) const;
  // Hashes; compares in constant time, and remembers a token that is right.
  std::optional<ApiCaller> verify(std::string_view token);
  std::optional<ApiCaller> by_certificate(std::string_view common_name) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Entry;
  Entry* find(std::string_view token, std::string_view& secret) const;
  Digest keyed(std::string_view secret) const;
  std::vector<std::unique_ptr<Entry>> entries_;
  Digest key_{};  // of this process, for what is remembered
  mutable std::mutex mutex_;
};

}  // namespace anomctl
