#include "anomctl/core/time.h"

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

TEST_CASE("stamps are read in their many spellings and written in one") {
  const Nanoseconds t = parse_stamp("2026-01-02T03:04:05.678Z")->time;
  CHECK(format_stamp(t) == "2026-01-02T03:04:05.678Z");
  CHECK(parse_stamp("2026-01-02 03:04:05.678")->time == t);
  CHECK(parse_stamp("2026-01-02T04:04:05.678+01:00")->time == t);
  CHECK(parse_stamp("2026-01-02T03:04:05.678000000Z")->time == t);
  CHECK(format_stamp(parse_stamp("2026-01-02")->time) == "2026-01-02T00:00:00Z");
  for (const char* bad :
       {"", "yesterday", "2026-13-01", "2026-02-30", "2026-01-02T", "2026-01-02T25:00:00Z", "2026-01-02T03:04:05Zx"}) {
    CHECK_FALSE(parse_stamp(bad));
  }
}

TEST_CASE("a daylight-saving gap and repeat") {
  const TimeZone berlin = TimeZone::named("Europe/Berlin");
  const auto gap = parse_stamp("2026-03-29 02:30:00", berlin);
  CHECK(gap->kind == TimeZone::Instants::Kind::skipped);
  CHECK(format_stamp(gap->time) == "2026-03-29T01:00:00Z");
  const auto first = parse_stamp("2026-10-25 02:30:00", berlin);
  CHECK(first->kind == TimeZone::Instants::Kind::repeated);
  CHECK(format_stamp(first->time) == "2026-10-25T00:30:00Z");
  CHECK(format_stamp(parse_stamp("2026-10-25 02:30:00", berlin, first->time)->time) == "2026-10-25T01:30:00Z");
  CHECK(format_stamp(parse_stamp("2026-07-01 12:00:00", berlin)->time) == "2026-07-01T10:00:00Z");
  CHECK_THROWS_AS(TimeZone::named("Mars/Base"), UsageError);
}

TEST_CASE("durations and epochs") {
  CHECK(parse_duration("250ms")->ns == 250 * kMillisecond);
  CHECK(parse_duration("1.5h")->ns == 90 * kMinute);
  CHECK(parse_duration("7")->ns == 7 * kSecond);
  CHECK_FALSE(parse_duration("5 apples"));
  CHECK(format_duration(Duration{90 * kMinute}) == "90m");
  const Nanoseconds t = 1'767'323'045'678'000'000;
  CHECK(epoch_from_number(1767323045.678) / kMillisecond == t / kMillisecond);
  CHECK(epoch_from_number(1767323045678.0) == t);
  CHECK(epoch_from_number(1767323045678000.0) == t);
}

TEST_CASE("time: numbers beyond what an instant can hold stop at its ends", "[time]") {
  for (const double value : {9.9e10, 99999999999991.0, 9.9e16, 1e19, 1e300}) {
    CHECK(epoch_from_number(value) == 9'200'000'000'000'000'000);
    CHECK(epoch_from_number(-value) == -9'200'000'000'000'000'000);
  }
}
