#include "roles/serve/access.h"

#include <future>
#include <thread>

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;
using namespace anomctl::serve;

namespace {

constexpr ScryptCost kCheap{4, 1, 1};

HttpRequest request_with(const std::string& authorization, const std::string& client_name = {}) {
  HttpRequest request;
  if (!authorization.empty()) request.headers.add("Authorization", authorization);
  request.client_name = client_name;
  return request;
}

AccessDecision ask(Access& access, const HttpRequest& request, Scope scope) {
  std::promise<AccessDecision> decided;
  access.decide(request, scope, [&](AccessDecision decision) { decided.set_value(std::move(decision)); });
  return decided.get_future().get();
}

int status(Access& access, const HttpRequest& request, Scope scope) {
  const AccessDecision decision = ask(access, request, scope);
  return decision.refusal ? decision.refusal->status : 200;
}

struct TokenFile {
  TokenFile() { write({"infer"}); }
  void write(const std::vector<std::string>& scopes) const {
    write_file_atomic(path(),
                      api_token_line(token, Scopes::of(scopes), kCheap) + "\n" +
                          api_certificate_line("plant", Scopes::of({"admin"})) + "\n",
                      0600);
  }
  fs::path path() const { return folder.path() / "tokens"; }
  TemporaryFolder folder;
  const std::string token = make_api_token("robot");
};

}  // namespace

TEST_CASE("a token opens what its scopes name") {
  const TokenFile file;
  Access access(file.path(), false);
  const HttpRequest good = request_with("Bearer " + file.token);
  for (int i = 0; i < 2; ++i) {  // hashed, then remembered
    CHECK(status(access, good, Scope::infer) == 200);
    CHECK(status(access, good, Scope::admin) == 403);
  }
  CHECK(ask(access, good, Scope::infer).user == "robot");
  CHECK(status(access, request_with("bearer  " + file.token), Scope::infer) == 200);
  CHECK(status(access, request_with("Bearer " + file.token + "0"), Scope::infer) == 401);
  CHECK(status(access, request_with("Bearer nobody.1"), Scope::infer) == 401);
  CHECK(status(access, request_with("Basic " + file.token), Scope::infer) == 401);
  CHECK(status(access, request_with("Bearer " + std::string(10'000, 'a')), Scope::infer) == 401);
  const AccessDecision none = ask(access, request_with(""), Scope::read);
  REQUIRE(none.refusal);
  CHECK(none.refusal->status == 401);
  CHECK(none.refusal->headers.get("www-authenticate") == "Bearer");
  CHECK(status(access, request_with(""), Scope::none) == 200);  // health
}

TEST_CASE("certificates: listed ones by their scopes, else all may but change what is served") {
  const TokenFile file;
  Access listed(file.path(), true);
  CHECK(status(listed, request_with("", "plant"), Scope::admin) == 200);
  CHECK(status(listed, request_with("", "plant"), Scope::infer) == 403);
  CHECK(status(listed, request_with("", "stranger"), Scope::infer) == 403);
  Access unlisted({}, true);
  CHECK(status(unlisted, request_with("", "plant"), Scope::infer) == 200);
  CHECK(status(unlisted, request_with("", "plant"), Scope::admin) == 403);
  CHECK(status(unlisted, request_with(""), Scope::infer) == 401);
  Access open({}, false);
  CHECK(status(open, request_with(""), Scope::admin) == 200);
}

TEST_CASE("a changed file is in force after a look, a broken one is not") {
  const TokenFile file;
  Access access(file.path(), false);
  const HttpRequest good = request_with("Bearer " + file.token);
  CHECK(status(access, good, Scope::infer) == 200);
  write_file_atomic(file.path(), "nonsense\n");
  access.reload(true);
  CHECK(status(access, good, Scope::infer) == 200);
  file.write({"read"});
  CHECK(status(access, good, Scope::infer) == 200);
  access.reload(true);
  CHECK(status(access, good, Scope::infer) == 403);
  CHECK(status(access, good, Scope::read) == 200);
  fs::remove(file.path());
  access.reload(false);
  CHECK(status(access, good, Scope::read) == 200);
  // Who was taken out is out, also the last one.
  write_file_atomic(file.path(), "# nobody\n");
  access.reload(true);
  CHECK(status(access, good, Scope::read) == 401);
}

TEST_CASE("what needs no hash is refused from the header alone") {
  const TokenFile file;
  Access access(file.path(), false);
  CHECK(access.refuses(request_with(""), Scope::infer));
  CHECK(access.refuses(request_with("Bearer nobody.x"), Scope::infer));
  CHECK_FALSE(access.refuses(request_with("Bearer robot.x"), Scope::infer));
  CHECK_FALSE(access.refuses(request_with(""), Scope::none));
}

TEST_CASE("a page of another site may not change what is served") {
  Access access({}, false);
  HttpRequest request;
  request.headers.add("host", "127.0.0.1:8080");
  CHECK(status(access, request, Scope::admin) == 200);
  request.headers.add("origin", "http://127.0.0.1:8080");
  CHECK(status(access, request, Scope::admin) == 200);
  request.headers.set("origin", "http://evil.example");
  CHECK(status(access, request, Scope::admin) == 403);
  CHECK(status(access, request, Scope::infer) == 200);
  HttpRequest fetched;
  fetched.headers.add("sec-fetch-site", "cross-site");
  CHECK(status(access, fetched, Scope::admin) == 403);
}

TEST_CASE("guessing is bounded: tokens that wait for their hash are few, the rest are told to come later") {
  TokenFile file;
  // Each hash takes some 40 ms, so what waits fills up.
  const std::string other = make_api_token("other");
  write_file_atomic(
      file.path(),
      api_token_line(file.token, Scopes::of({"infer"})) + "\n" + api_token_line(other, Scopes::of({"infer"})) + "\n",
      0600);
  std::atomic<int> wrong{0}, later{0}, let_in{0};
  {
    Access access(file.path(), false);
    for (int i = 0; i < 80; ++i)
      access.decide(request_with("Bearer robot." + std::to_string(i)), Scope::infer, [&](AccessDecision decision) {
        ++(decision.refusal.value_or(HttpResponse{}).status == 429 ? later : wrong);
      });
    // Guesses at one name do not keep another caller out.
    access.decide(request_with("Bearer " + other), Scope::infer,
                  [&](AccessDecision decision) { let_in += decision.refusal ? 0 : 1; });
  }
  CHECK(wrong + later == 80);
  CHECK(later >= 10);
  CHECK(wrong >= 4);
  CHECK(let_in == 1);
}

TEST_CASE("the many connections of one caller need one hash, and none is turned away") {
  TokenFile file;
  const std::string other = make_api_token("other");
  write_file_atomic(
      file.path(),
      api_token_line(file.token, Scopes::of({"infer"})) + "\n" + api_token_line(other, Scopes::of({"read"})) + "\n",
      0600);
  std::atomic<int> let_in{0}, refused{0};
  {
    Access access(file.path(), false);
    for (int i = 0; i < 200; ++i) {
      access.decide(request_with("Bearer " + file.token), Scope::infer,
                    [&](AccessDecision decision) { let_in += decision.refusal ? 0 : 1; });
      access.decide(request_with("Bearer " + other), Scope::infer, [&](AccessDecision decision) {
        refused += decision.refusal && decision.refusal->status == 403 ? 1 : 0;
      });
    }
  }
  CHECK(let_in == 200);
  CHECK(refused == 200);
}

TEST_CASE("a token file that lets nobody in is refused at the start") {
  TemporaryFolder folder;
  write_file_atomic(folder.path() / "tokens", "# nobody\n");
  CHECK_THROWS_WITH(Access(folder.path() / "tokens", false), Contains("lets nobody in"));
  CHECK_THROWS_AS(Access(folder.path() / "absent", false), Error);
}
