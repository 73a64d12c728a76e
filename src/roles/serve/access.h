// Who may ask what: API tokens from a file, client certificates. Hashes take time and memory, so one thread of its own
// does them, one after the other; what was right once is known at once. Thread rule: every member is safe from any
// thread; `decided` is called on the caller's thread or on that one.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/io/auth/api_tokens.h"
#include "anomctl/io/net/http_server.h"

namespace anomctl::serve {

struct AccessDecision {
  std::string user;                     // who asks, where that is known
  std::optional<HttpResponse> refusal;  // 401, 403, 429; none: the request may go on
};

class Access {
 public:
  // An empty `token_file` with `certificates` false lets everybody do everything (a server on loopback). Throws
  // UsageError or Error for a file that cannot be used.
  Access(fs::path token_file, bool certificates);
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

  using Decided = std::function<void(AccessDecision)>;
  void decide(const HttpRequest& request, Scope scope, Decided decided);
  // Whether `decide` will refuse: told at once, from the header alone, where no hash is needed for it.
  bool refuses(const HttpRequest& header, Scope scope) const;
  // Reads the file again where it has changed, or in any case; a file that cannot be used leaves the tokens before in
  // force and says so.
  void reload(bool only_changed);

 private:
  struct Question {
    std::shared_ptr<ApiTokens> tokens;
    std::string token;
    std::vector<std::pair<Scope, Decided>> waiting;  // all who showed this token meanwhile
  };
  void work();
  std::shared_ptr<ApiTokens> tokens() const;
  std::string read() const;

  const fs::path file_;
  const bool certificates_;
  mutable std::mutex mutex_;
  std::condition_variable news_;
  std::shared_ptr<ApiTokens> tokens_;  // under mutex_, as are the next four; null without a file
  std::string seen_;                   // the file's content at the last look
  std::string said_;                   // why the last look failed
  std::deque<Question> questions_;
  bool stopping_ = false;
  std::thread worker_;
};

}  // namespace anomctl::serve
