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

TEST_CASE("bad JSON names the place and the position") {
  CHECK_THROWS_WITH(Json::parse("{\"a\":}", "f.json"), Contains("f.json: not valid JSON at byte 5"));
  CHECK_THROWS_AS(Json::parse("NaN"), Error);
  CHECK_THROWS_AS(Json::parse("{} x"), Error);
  CHECK_THROWS_AS(Json::parse(std::string(100, '[') + std::string(100, ']')), Error);
  CHECK_THROWS_AS(Json::parse("\"\xff\xfe\""), Error);
  CHECK_THROWS_WITH(Json::parse("{}").at("k"), "missing key 'k'");
  CHECK_THROWS_WITH(Json::parse("\"s\"").as_int(), "expected a whole number, found a string");
}
