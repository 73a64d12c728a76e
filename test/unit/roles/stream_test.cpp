// What a stream makes of messages that should not be there.
#include "roles/manage/stream.h"

#include <fmt/format.h>

#include "support/catch.h"
#include "support/fake_model.h"

using namespace anomctl;
using namespace anomctl::manage;

namespace {

struct Judged {
  explicit Judged(std::int64_t max_assets, Duration late = {}) {
    settings.readings.late = late;
    settings.max_assets = max_assets;
    settings.topic.topic_sensor = "+";
    const Bundle plain = test::fake_bundle();
    parts.bundle = std::make_shared<const Bundle>(plain);
    parts.model = test::fake_model(plain);
    stream.emplace(
        settings, parts, [this](std::string topic, std::string payload) { sent.emplace_back(topic, payload); },
        std::stop_token());
    stream->missing().connected(kSecond, true);
  }
  void take(const std::string& asset, const std::string& payload) {
    stream->take({++number, asset, payload, 2 * kSecond + number * kMillisecond}, false);
  }
  std::string row(std::int64_t s) const { return fmt::format(R"({{"time":{},"a":1,"b":2,"c":{}}})", s, s % 7); }

  ManageSettings settings;
  ManageParts parts;
  std::vector<std::pair<std::string, std::string>> sent;
  std::optional<Stream> stream;
  std::int64_t number = 0;
};

}  // namespace

TEST_CASE("what is not understood takes no asset's place", "[stream]") {
  Judged judged(2);
  for (int i = 0; i < 100; ++i) {
    judged.take(fmt::format("ghost{}", i), "garbage");
    judged.take(fmt::format("ghost{}", i), std::string(1, kMaintenanceMark) + R"({"acknowledge":true})");
    judged.take(fmt::format("ghost{}", i), std::string(1, kSilenceMark));
  }
  for (int s = 100; s < 110; ++s) judged.take("pump", judged.row(s));
  judged.stream->flush();
  CHECK(judged.stream->counts().assets == 1);
  CHECK(judged.stream->counts().unreadable == 100);
  CHECK(judged.stream->counts().verdicts == 10);
  CHECK(judged.stream->counts().left_out == 0);
}

TEST_CASE("a stamp that cannot be one, or of another clock, is no loss", "[stream]") {
  Judged judged(10);
  judged.stream->missing().connected(2 * kSecond, false);
  for (int s = 1000; s < 1005; ++s) judged.take("pump", judged.row(s));
  for (const char* time : {"9e18", "-9200000000000000000", "1e300", R"("2262-01-01T00:00:00Z")"})
    judged.take("pump", fmt::format(R"({{"time":{},"a":1,"b":2,"c":3}})", time));
  CHECK(judged.stream->counts().unreadable == 4);
  judged.take("pump", judged.row(4'000'000'000));  // the year 2096
  for (int s = 1005; s < 1010; ++s) judged.take("pump", judged.row(s));
  CHECK(judged.stream->counts().missing == 0);
}

TEST_CASE("what only came in the wrong order is not missing", "[stream]") {
  Judged late(10, seconds(10));
  late.stream->missing().connected(2 * kSecond, false);
  for (const int s : {100, 104, 101, 103, 102, 105, 109, 108, 106, 107, 130}) late.take("pump", late.row(s));
  late.stream->flush();
  CHECK(late.stream->counts().missing == 0);
  late.take("pump", late.row(150));
  CHECK(late.stream->counts().missing == 20);
}

TEST_CASE("maintenance windows have bounds", "[stream]") {
  Judged judged(10);
  const auto announce = [&](const std::string& asset, const std::string& payload) {
    judged.take(asset, std::string(1, kMaintenanceMark) + payload);
  };
  std::string many = "[";
  for (std::size_t i = 0; i < kWindowsAtOnce; ++i) many += R"({"start":5,"duration":"1h"},)";
  announce("pump", many + R"({"start":5}])");
  announce("pump", R"({"reason":")" + std::string(kReasonBytes + 1, 'x') + R"("})");
  announce("pump", R"({"duration":1e300})");
  CHECK(judged.stream->counts().unreadable == 3);
  many.back() = ']';
  for (std::size_t i = 0; i < kMostWindows / kWindowsAtOnce; ++i) announce(fmt::format("ghost{}", i), many);
  CHECK(judged.stream->counts().left_out == 0);
  announce("pump", R"({"duration":"1h"})");
  CHECK(judged.stream->counts().left_out == 1);
  announce("ghost0", R"({"duration":"1h"})");  // in place of its hundred
  announce("pump", R"({"duration":"1h"})");
  CHECK(judged.stream->counts().left_out == 1);
}
