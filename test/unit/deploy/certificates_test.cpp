#include "anomctl/deploy/certificates.h"

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

TEST_CASE("certificates are PEM and differ each time") {
  const Certificate authority = make_authority("anomctl windmill");
  const Certificate a = make_server_certificate(authority, {"broker", "127.0.0.1"}, 30);
  const Certificate b = make_server_certificate(authority, {"broker", "127.0.0.1"}, 30);
  CHECK(a.certificate.starts_with("-----BEGIN CERTIFICATE-----\n"));
  CHECK(a.key.starts_with("-----BEGIN PRIVATE KEY-----\n"));
  CHECK(a.certificate != b.certificate);
  CHECK(a.key != b.key);
  CHECK_FALSE(make_client_certificate(authority, "sensor_blade", 30).certificate.empty());
}

TEST_CASE("names that are none are refused") {
  const Certificate authority = make_authority("anomctl");
  CHECK_THROWS_AS(make_server_certificate(authority, {}, 1), UsageError);
  CHECK_THROWS_AS(make_server_certificate(authority, {"a,DNS:b"}, 1), UsageError);
  CHECK_THROWS_AS(make_client_certificate(authority, std::string(65, 'x'), 1), UsageError);
  CHECK_THROWS_AS(make_authority(""), UsageError);
  CHECK_THROWS_AS(make_client_certificate({"no certificate", "no key"}, "x", 1), Error);
}
