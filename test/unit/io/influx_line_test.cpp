#include "anomctl/io/influx/line_writer.h"

#include <limits>

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

TEST_CASE("a point as InfluxDB's line protocol writes it") {
  Json fields = Json::object();
  fields["score"] = 0.5;
  fields["rows"] = 3;
  fields["open"] = true;
  fields["reason"] = "a \"b\" \\ c,d";
  fields["none"] = nullptr;
  fields["list"] = Json::array();
  fields["flow, m=1"] = 2.0;
  CHECK(influx_line("verdict", {{"sensor", "pump 1,a=b"}, {"empty", ""}}, fields, 1'700'000'000'000'000'001) ==
        R"(verdict,sensor=pump\ 1\,a\=b score=0.5,rows=3,open=true,reason="a \"b\" \\ c,d",flow\,\ m\=1=2 )"
        "1700000000000000001");
}

TEST_CASE("a name cannot break out of its place, and a point without a field is none") {
  Json fields = Json::object();
  fields["x"] = 1;
  CHECK(influx_line("m", {{"a", "b\\"}, {"c", "d\nevil x=1"}}, fields, 1) == "m,a=b/,c=d\\ evil\\ x\\=1 x=1 1");
  CHECK(influx_line("m", {}, Json::object(), 1).empty());
  fields["x"] = std::numeric_limits<double>::quiet_NaN();
  CHECK(influx_line("m", {}, fields, 1).empty());
}

TEST_CASE("settings of InfluxDB go together") {
  InfluxWriteSettings settings;
  CHECK_NOTHROW(validate(settings));
  settings.influx_org = "o";
  CHECK_THROWS_AS(validate(settings), UsageError);
  settings.influx_url = "http://127.0.0.1:8086";
  CHECK_THROWS_AS(validate(settings), UsageError);
  settings.influx_bucket = "b";
  CHECK_NOTHROW(validate(settings));
  settings.influx_url = "influx:8086";
  CHECK_THROWS_AS(validate(settings), UsageError);
}
