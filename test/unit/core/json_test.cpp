#include "anomctl/core/json.h"

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

TEST_CASE("JSON is read and written back in the same order") {
  const std::string text = R"({"b":[1,2.5,null,true],"a":{"x":"q\"\n"},"n":-9007199254740993})";
  CHECK(Json::parse(text).dump() == text);
  CHECK(Json::parse("0.1").dump() == "0.1");
  CHECK(Json::parse(Json::parse(text).dump(2)) == Json::parse(text));
}

TEST_CASE("numbers keep their value") {
  CHECK(Json::parse("9223372036854775807").as_int() == 9223372036854775807);
  CHECK(Json::parse("9223372036854775808").as_double() == 9223372036854775808.0);
  CHECK(Json::parse("-0").as_int() == 0);
  CHECK(Json::parse("0e99").as_double() == 0);
  CHECK(Json::parse("1e-400").as_double() == 0);
  CHECK(Json::parse("5e-324").as_double() > 0);
  CHECK(Json::parse("0.1234567890123456789012345").as_double() == 0.1234567890123456789012345);
  CHECK_THROWS_AS(Json::parse("1e400"), Error);
  CHECK_THROWS_AS(Json::parse("[123456e400]"), Error);
  CHECK_THROWS_AS(Json::parse(std::string("1\0", 2)), Error);
}

TEST_CASE("bad JSON names the place and the position") {
  CHECK_THROWS_WITH(Json::parse("{\"a\":}", "f.json"), Contains("f.json: not valid JSON at byte 5"));
  CHECK_THROWS_AS(Json::parse("NaN"), Error);
  CHECK_THROWS_AS(Json::parse("{} x"), Error);
  CHECK_THROWS_AS(Json::parse(std::string(100, '[') + std::string(100, ']')), Error);
  CHECK_THROWS_AS(Json::parse("\"\xff\xfe\""), Error);
  CHECK_THROWS_WITH(Json::parse("{}").at("k"), "missing key 'k'");
  CHECK_THROWS_WITH(Json::parse("\"s\"").as_int(), "expected a whole number, found a string");
}
