#include "anomctl/io/auth/api_tokens.h"

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

constexpr ScryptCost kCheap{4, 1, 1};

std::string line(const std::string& token, const std::vector<std::string>& scopes) {
  return api_token_line(token, Scopes::of(scopes), kCheap) + "\n";
}

}  // namespace

TEST_CASE("the token that was made gets in, and no other") {
  const std::string token = make_api_token("grafana"), other = make_api_token("grafana");
  CHECK(token != other);
  CHECK(token.size() == std::string("grafana.").size() + 64);
  ApiTokens tokens("# callers\n\n" + line(token, {"read", "infer"}), "tokens");
  CHECK_FALSE(tokens.remembered(token));
  const auto caller = tokens.verify(token);
  REQUIRE(caller);
  CHECK(caller->name == "grafana");
  CHECK(caller->scopes.has(Scope::infer));
  CHECK(caller->scopes.has(Scope::read));
  CHECK_FALSE(caller->scopes.has(Scope::admin));
  CHECK(tokens.remembered(token));
  CHECK_FALSE(tokens.verify(other));
  CHECK_FALSE(tokens.remembered(other));
  CHECK(tokens.knows_name(other));
  CHECK_FALSE(tokens.knows_name("nobody.abc"));
  CHECK_FALSE(tokens.knows_name("grafana"));
  CHECK_FALSE(tokens.verify("grafana."));
  CHECK_FALSE(tokens.verify(""));
}

TEST_CASE("hashes are scrypt of the secret, and the secret is not in the line") {
  const std::string secret = "0123456789abcdef";
  const std::string text = line("a." + secret, {"infer"});
  CHECK(text.find(secret) == std::string::npos);
  CHECK_THAT(text, Contains("a infer scrypt:4:1:1:"));
  // Salt "saltsalt", N 16, r 1, p 1, as Python's hashlib.scrypt has it.
  ApiTokens tokens(
      "a infer scrypt:4:1:1:73616c7473616c74:d1adc63e89b7675ba70a871bc582b8d141f21a3e612deec9e817c81043e32939\n",
      "tokens");
  CHECK(tokens.verify("a.password"));
  CHECK_FALSE(tokens.verify("a.passwore"));
}

TEST_CASE("certificates are listed by their common name") {
  ApiTokens tokens(api_certificate_line("plant.example", Scopes::of({"admin"})) + "\n", "tokens");
  const auto caller = tokens.by_certificate("plant.example");
  REQUIRE(caller);
  CHECK(caller->scopes.text() == "admin");
  CHECK_FALSE(tokens.by_certificate("plant"));
  CHECK_FALSE(tokens.knows_name("plant.example"));  // no token
}

TEST_CASE("a line that cannot be used is named") {
  const auto refused = [](const std::string& text, const std::string& why) {
    CHECK_THROWS_WITH(ApiTokens("# head\n" + text, "file"), Contains("file:2: ") && Contains(why));
  };
  refused("a infer", "2 words");
  refused("a write certificate", "'write' is no scope");
  refused("a/b infer certificate", "letters");
  refused("a infer plain:abc", "no scrypt hash");
  refused("a infer scrypt:40:8:1:00112233445566778899aabbccddeeff:00", "no scrypt hash");
  refused("a infer scrypt:4:8:1:0011:00", "not whole");
  CHECK_THROWS_WITH(ApiTokens("a infer certificate\na infer certificate", "file"), Contains("file:2: 'a' stands"));
  CHECK_THROWS_AS(make_api_token("a b"), UsageError);
  CHECK_THROWS_AS(Scopes::of({"everything"}), UsageError);
}

TEST_CASE("a caller is replaced and taken out without touching the others") {
  const std::string text = "# callers\na infer certificate\nab read certificate\n";
  CHECK(replace_api_line(text, "a", "") == "# callers\nab read certificate\n");
  CHECK(replace_api_line(text, "a", "a admin certificate") == "# callers\nab read certificate\na admin certificate\n");
}
