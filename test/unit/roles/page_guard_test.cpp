#include "roles/dashboard/page_guard.h"

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;
using namespace anomctl::dashboard;

namespace {

int status_of(const HttpRequest& request, const DashboardSettings& settings = {}) {
  PageGuard guard(settings);
  int status = 0;
  guard.decide(request,
               [&](serve::AccessDecision decision) { status = decision.refusal ? decision.refusal->status : 200; });
  return status;
}

HttpRequest request_of(const char* method, std::initializer_list<std::pair<const char*, const char*>> headers) {
  HttpRequest request;
  request.method = method;
  for (const auto& [name, value] : headers) request.headers.add(name, value);
  return request;
}

}  // namespace

TEST_CASE("names of this machine") {
  for (const char* host : {"localhost", "LOCALHOST:8090", "127.0.0.1", "127.0.0.1:80", "127.1.2.3", "[::1]:8090"})
    CHECK(is_loopback_host(host));
  for (const char* host : {"", "example.org", "127.0.0.1.example.org", "localhost.example.org", "10.0.0.1", "[::2]"})
    CHECK_FALSE(is_loopback_host(host));
}

TEST_CASE("without tokens a foreign name for this machine is refused") {
  CHECK(status_of(request_of("GET", {{"host", "127.0.0.1:8090"}})) == 200);
  CHECK(status_of(request_of("GET", {{"host", "evil.example.org:8090"}})) == 403);
  CHECK(status_of(request_of("GET", {})) == 403);
}

TEST_CASE("what changes something comes from our own page, as JSON") {
  const std::pair<const char*, const char*> host{"host", "localhost:8090"}, json{"content-type", "application/json"};
  CHECK(status_of(request_of("POST", {host, json, {"origin", "http://localhost:8090"}})) == 200);
  CHECK(status_of(request_of("POST", {host, json})) == 200);  // no browser
  CHECK(status_of(request_of("POST", {host, json, {"origin", "http://evil.example.org"}})) == 403);
  CHECK(status_of(request_of("POST", {host, json, {"origin", "null"}})) == 403);
  CHECK(status_of(request_of("POST", {host, json, {"origin", "http://localhost:1"}})) == 403);
  CHECK(status_of(request_of("POST", {host, json, {"sec-fetch-site", "cross-site"}})) == 403);
  CHECK(status_of(request_of("POST", {host, {"content-type", "text/plain"}})) == 415);
}

TEST_CASE("a page beyond this machine asks who it is") {
  DashboardSettings settings;
  settings.page_host = "0.0.0.0";
  CHECK_THROWS_AS(validate(settings), UsageError);
  settings.page_insecure = true;
  CHECK_NOTHROW(validate(settings));
  settings.page_insecure = false;
  settings.page_token_file = "tokens";
  CHECK_NOTHROW(validate(settings));
  settings.page_tls.cert_file = "cert";
  CHECK_THROWS_AS(validate(settings), UsageError);
}
