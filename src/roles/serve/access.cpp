#include "roles/serve/access.h"

#include <algorithm>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"

namespace anomctl::serve {

namespace {

constexpr std::size_t kMostQuestions = 64;    // tokens that wait for their hash; more are answered 429
constexpr std::ptrdiff_t kMostOfOneName = 4;  // guesses at one caller must not keep the others out
constexpr std::size_t kLongestToken = 512;

AccessDecision refuse(int status, const std::string& message, const std::string& user = {}) {
  AccessDecision decision{user, error_response(status, message)};
  if (status == 401) decision.refusal->headers.add("www-authenticate", "Bearer");
  if (status == 429) decision.refusal->headers.add("retry-after", "1");
  return decision;
}

AccessDecision unknown_token() { return refuse(401, "the API token is not known here"); }

AccessDecision judge(const ApiCaller& caller, Scope scope) {
  if (caller.scopes.has(scope)) return {caller.name, std::nullopt};
  return refuse(403,
                caller.name + " has scope " + caller.scopes.text() + "; this needs " + std::string(scope_name(scope)),
                caller.name);
}

// The token of "Authorization: Bearer TOKEN"; empty where there is none.
std::string_view bearer(const HttpRequest& request) {
  const std::string_view field = request.headers.get("authorization");
  const std::size_t space = field.find(' ');
  if (space == std::string_view::npos || !equal_ignoring_case(field.substr(0, space), "bearer")) return {};
  const std::size_t begin = field.find_first_not_of(' ', space);
  return begin == std::string_view::npos ? std::string_view() : field.substr(begin);
}

}  // namespace

Access::Access(fs::path token_file, bool certificates) : file_(std::move(token_file)), certificates_(certificates) {
  if (file_.empty()) return;
  seen_ = read();
  tokens_ = std::make_shared<ApiTokens>(seen_, file_.string());
  if (tokens_->empty())
    throw UsageError(file_.string() + " lets nobody in: anomctl api-token NAME --token-file " + file_.string() +
                     " adds a caller");
  const auto others = fs::perms::group_all | fs::perms::others_all;
  std::error_code ec;
  if ((fs::status(file_, ec).permissions() & others) != fs::perms::none)
    log_warning("{} can be read by others: chmod 600 keeps the hashes to yourself", file_.string());
  worker_ = std::thread([this] { work(); });
}

Access::~Access() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    news_.notify_all();
  }
  if (worker_.joinable()) worker_.join();
}

std::string Access::read() const { return read_file(file_, kMiB); }

std::shared_ptr<ApiTokens> Access::tokens() const {
  const std::lock_guard lock(mutex_);
  return tokens_;
}

void Access::reload(bool only_changed) {
  if (file_.empty()) return;
  try {
    std::string text = read();
    {
      const std::lock_guard lock(mutex_);
      if (only_changed && text == seen_) return;
      seen_ = text;
    }
    auto fresh = std::make_shared<ApiTokens>(text, file_.string());
    const bool nobody = fresh->empty();  // who was taken out is out, also the last one
    const std::lock_guard lock(mutex_);
    tokens_ = std::move(fresh);
    said_.clear();
    if (nobody)
      log_warning("{} lists nobody: every request that needs a caller is refused", file_.string());
    else
      log_info("{}: API tokens read anew", file_.string());
  } catch (const Error& e) {
    // Said once, not at every look.
    const std::lock_guard lock(mutex_);
    if (only_changed && said_ == e.what()) return;
    said_ = e.what();
    log_error("{}; the tokens before stay in force", e.what());
  }
}

void Access::decide(const HttpRequest& request, Scope scope, Decided decided) {
  // Without tokens a page that the operator visits could else unload a model on loopback.
  if (scope == Scope::admin && from_foreign_page(request))
    return decided(refuse(403, "a page of another site may not change what is served"));
  if (scope == Scope::none || (file_.empty() && !certificates_)) return decided({request.client_name, std::nullopt});
  const auto known = tokens();
  const std::string_view token = bearer(request);
  if (known && !token.empty()) {
    if (token.size() > kLongestToken || !known->knows_name(token)) return decided(unknown_token());
    if (const auto caller = known->remembered(token)) return decided(judge(*caller, scope));
    {
      const std::lock_guard lock(mutex_);
      // The connections of one caller, after the tokens were read anew: one hash for all of them.
      const auto asked =
          std::ranges::find_if(questions_, [&](const Question& q) { return q.tokens == known && q.token == token; });
      if (!stopping_ && asked != questions_.end()) {
        asked->waiting.emplace_back(scope, std::move(decided));
        return;
      }
      const std::string_view name = token.substr(0, token.find('.'));
      const auto same = std::count_if(questions_.begin(), questions_.end(), [&](const Question& q) {
        return std::string_view(q.token).substr(0, q.token.find('.')) == name;
      });
      if (!stopping_ && questions_.size() < kMostQuestions && same < kMostOfOneName) {
        questions_.push_back({known, std::string(token), {}});
        questions_.back().waiting.emplace_back(scope, std::move(decided));
        news_.notify_one();
        return;
      }
    }
    return decided(refuse(429, "too many API tokens wait to be looked at: try again later"));
  }
  if (certificates_ && !request.client_name.empty()) {
    if (known) {
      if (const auto caller = known->by_certificate(request.client_name)) return decided(judge(*caller, scope));
    } else {
      // Without a list a certificate of the authority may do all but change what is served.
      ApiCaller caller{request.client_name, {}};
      caller.scopes.add(Scope::infer);
      caller.scopes.add(Scope::read);
      return decided(judge(caller, scope));
    }
    return decided(
        refuse(403, "the certificate of '" + request.client_name + "' is not listed here", request.client_name));
  }
  decided(refuse(401, "an API token is needed: Authorization: Bearer TOKEN"));
}

bool Access::refuses(const HttpRequest& header, Scope scope) const {
  if (scope == Scope::none || (file_.empty() && !certificates_)) return false;
  const auto known = tokens();
  const std::string_view token = bearer(header);
  if (known && !token.empty()) {
    if (token.size() > kLongestToken || !known->knows_name(token)) return true;
    const auto caller = known->remembered(token);
    return caller && !caller->scopes.has(scope);
  }
  return !certificates_ || header.client_name.empty();
}

void Access::work() {
  for (;;) {
    Question question;
    {
      std::unique_lock lock(mutex_);
      news_.wait(lock, [&] { return stopping_ || !questions_.empty(); });
      if (questions_.empty()) return;
      question = std::move(questions_.front());
      questions_.pop_front();
    }
    std::optional<ApiCaller> caller;
    std::string failure;
    try {
      // The same token may have been looked at while this one waited.
      caller = question.tokens->remembered(question.token);
      if (!caller) caller = question.tokens->verify(question.token);
    } catch (const std::exception& e) {
      failure = e.what();
    }
    for (const auto& [scope, decided] : question.waiting)
      decided(!failure.empty() ? refuse(500, failure) : caller ? judge(*caller, scope) : unknown_token());
  }
}

}  // namespace anomctl::serve
