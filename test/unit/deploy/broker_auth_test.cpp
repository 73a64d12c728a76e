#include "anomctl/deploy/broker_auth.h"

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

TEST_CASE("a password line is what mosquitto_passwd writes") {
  const std::string line = mosquitto_password_line({"sensor_blade", "p"}, "0123456789ab");
  CHECK(line.starts_with("sensor_blade:$7$101$MDEyMzQ1Njc4OWFi$"));
  CHECK(line.size() == std::string("sensor_blade:$7$101$MDEyMzQ1Njc4OWFi$").size() + 88);
  CHECK(line == mosquitto_password_line({"sensor_blade", "p"}, "0123456789ab"));
  CHECK(line != mosquitto_password_line({"sensor_blade", "q"}, "0123456789ab"));
  CHECK(mosquitto_password_line({"u", "p"}) != mosquitto_password_line({"u", "p"}));
}

TEST_CASE("names and salts that mosquitto cannot read are refused") {
  CHECK_THROWS_AS(mosquitto_password_line({"a:b", "p"}), UsageError);
  CHECK_THROWS_AS(mosquitto_password_line({"", "p"}), UsageError);
  CHECK_THROWS_AS(mosquitto_password_line({"u", ""}), UsageError);
  CHECK_THROWS_AS(mosquitto_password_line({"u", "p"}, "short"), UsageError);
}

TEST_CASE("weak passwords are named") {
  CHECK_FALSE(password_weakness({"u", "short"}).empty());
  CHECK_FALSE(password_weakness({"u", "Password"}).empty());
  CHECK_FALSE(password_weakness({"telegraf_", "telegraf_"}).empty());
  CHECK_FALSE(password_weakness({"u", "aaaaaaaaaaaa"}).empty());
  CHECK(password_weakness({"u", "7c1f0e52b9a84d33"}).empty());
}

TEST_CASE("the access list names each user once and lets Telegraf write nothing") {
  const std::string acl = mosquitto_acl({"plant", "s", "m", "t"});
  const std::string telegraf = acl.substr(acl.find("user t"));
  CHECK(telegraf.find("write") == std::string::npos);
  CHECK(acl.find("topic write plant/sensor/+") < acl.find("user m"));
  const std::string with_operator = mosquitto_acl({"plant", "s", "m", "t", "o"});
  CHECK(with_operator == acl + "\nuser o\ntopic read plant/#\ntopic write plant/maintenance/+\n");
}
