#include "anomctl/io/influx/flux.h"

#include "support/catch.h"

using namespace anomctl;

TEST_CASE("whatever a text holds stays a text in a Flux script") {
  CHECK(flux_string("plain text, 7°") == "\"plain text, 7°\"");
  CHECK(flux_string(R"(a"b\c)") == R"("a\"b\\c")");
  CHECK(flux_string("${x}") == R"("\x24{x}")");
  CHECK(flux_string("a\nb\r\t\x7f") == R"("a\x0ab\x0d\x09\x7f")");
  CHECK(flux_string(R"(\")") == R"("\\\"")");
  // Unescaped, the first quote would be the end.
  for (const char* attack : {R"(x") |> to(bucket: "y)", R"(x\")", R"(x") or true or (r._m == ")", "x\") //\n"}) {
    const std::string literal = flux_string(attack);
    bool escaped = false;
    for (std::size_t i = 1; i + 1 < literal.size(); ++i) {
      CHECK((escaped || literal[i] != '"'));
      CHECK(literal[i] >= ' ');
      escaped = !escaped && literal[i] == '\\';
    }
    CHECK_FALSE(escaped);  // so that the last quote closes it
  }
}

TEST_CASE("a query names what is selected") {
  FluxSelection selection{"b \"1\"", {"reading", "o'clock"}, {{"site", "North, \"7\""}, {"${k}", "v"}}, "flow"};
  const Nanoseconds start = 1'700'000'000LL * kSecond;
  CHECK(flux_query(selection, start, start + kSecond / 2 + kSecond) ==
        R"(from(bucket: "b \"1\"") |> range(start: 2023-11-14T22:13:20Z, stop: 2023-11-14T22:13:21.500Z))"
        R"( |> filter(fn: (r) => r._measurement == "reading" or r._measurement == "o'clock"))"
        R"( |> filter(fn: (r) => r._field == "flow"))"
        R"( |> filter(fn: (r) => r["site"] == "North, \"7\""))"
        R"( |> filter(fn: (r) => r["\x24{k}"] == "v"))");
  CHECK(flux_query({"b", {}, {}, {}}, 0, kSecond) ==
        R"(from(bucket: "b") |> range(start: 1970-01-01T00:00:00Z, stop: 1970-01-01T00:00:01Z))");
}
