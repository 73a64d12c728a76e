// The small parts of manage and generate: silence, maintenance, disturbance, a server that is away.
#include <map>

#include "anomctl/core/error.h"
#include "anomctl/detection/replay.h"
#include "roles/generate/disturbance.h"
#include "roles/manage/asset_name.h"
#include "roles/manage/delays.h"
#include "roles/manage/maintenance.h"
#include "roles/manage/recording.h"
#include "roles/manage/remote_batch.h"
#include "roles/manage/silence.h"
#include "support/catch.h"
#include "support/fake_model.h"

using namespace anomctl;
using namespace anomctl::manage;

TEST_CASE("silence is told after its time, again each minute, and not for the time nobody listened") {
  constexpr Nanoseconds after = 3 * kSecond;
  Silence silence;
  CHECK_FALSE(silence.due(100 * kSecond, 0, after));  // nothing was ever heard
  silence.heard(100 * kSecond);
  silence.stamp = 7 * kSecond;
  CHECK_FALSE(silence.due(102 * kSecond, 0, after));
  CHECK(silence.due(103 * kSecond, 0, after));
  CHECK_FALSE(silence.due(103 * kSecond, 101 * kSecond, after));
  CHECK_FALSE(silence.due(900 * kSecond, 0, 0));
  CHECK(silence.tell(103 * kSecond, after) == 10 * kSecond);
  CHECK_FALSE(silence.tell(104 * kSecond, after));
  CHECK(silence.tell(163 * kSecond, after) == 70 * kSecond);
  silence.heard(170 * kSecond);
  CHECK_FALSE(silence.tell(172 * kSecond, after));
}

TEST_CASE("a reading cannot pass for a note of ours") {
  std::string reading(1, kSilenceMark);
  mark(reading, true);
  CHECK(reading.front() == ' ');
  std::string window = "{}";
  mark(window, false);
  CHECK(window.front() == kMaintenanceMark);
}

TEST_CASE("an asset's name is text") {
  for (const char* name : {"pump", "a/b+#", "m\xc3\xbchle", "\xe6\xb0\xb4", "\xf0\x9f\x92\xa7"})
    CHECK(is_asset_name(name));
  for (const char* name : {"", "a\nb", "\x7f", "\xff\xfe", "a\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
                           "\xf4\x90\x80\x80", "\xc2\x85", "\x80"})
    CHECK_FALSE(is_asset_name(name));
  CHECK_FALSE(is_asset_name(std::string(kLongestName + 1, 'x')));
}

TEST_CASE("a recording's lines have bounds and name assets") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "r";
  write_file_atomic(path, "1.5\torg/sensor/pump\t{}\n2\torg/sensor/\xff\tx\n");
  Recording recording(path);
  CHECK(recording.next()->asset == "pump");
  CHECK_THROWS_WITH(recording.next(), Contains("line 2") && Contains("names no asset"));
  Recording endless("/dev/zero");
  CHECK_THROWS_WITH(endless.next(), Contains("longer than"));
}

TEST_CASE("maintenance windows come from settings and from messages") {
  Maintenance maintenance({"pump@1970-01-01T00:00:10Z/1970-01-01T00:00:20Z", "all@1970-01-02/1970-01-03"});
  const auto muted = [&](const std::string& asset, double s) {
    return maintenance.at(asset, static_cast<Nanoseconds>(s * 1e9)) != nullptr;
  };
  CHECK_FALSE(muted("pump", 9.9));
  CHECK(muted("pump", 10));
  CHECK(muted("pump", 20));
  CHECK_FALSE(muted("pump", 20.1));
  CHECK_FALSE(muted("fan", 15));
  CHECK(muted("fan", 86'400));
  maintenance.set("fan", parse_maintenance(R"({"reason":"new filter","duration":"5s"})", 30 * kSecond).windows);
  CHECK(muted("fan", 32));
  CHECK_FALSE(muted("fan", 36));
  CHECK(maintenance.at("fan", 32 * kSecond)->reason == "new filter");
  maintenance.set("fan", parse_maintenance(R"([{"start":40,"end":"1970-01-01T00:00:50Z"},{"start":60}])", 0).windows);
  CHECK(muted("fan", 45));
  CHECK(muted("fan", 1e9));
  CHECK_FALSE(muted("fan", 32));
  Maintenance restored({});
  CHECK(maintenance.changed());
  restored.read(maintenance.write());
  CHECK_FALSE(maintenance.changed());
  CHECK(restored.at("fan", 45 * kSecond) != nullptr);
  CHECK(restored.at("pump", 15 * kSecond) == nullptr);  // of the settings
  maintenance.set("fan", parse_maintenance("", 0).windows);
  CHECK_FALSE(muted("fan", 45));
  CHECK(parse_maintenance(R"({"acknowledge":true})", 0).acknowledge);
  for (const char* bad : {"x", "[1]", R"({"start":"soon"})", R"({"start":5,"end":4})", R"({"duration":"long"})", "1"})
    CHECK_THROWS_AS(parse_maintenance(bad, 0), Error);
  for (const char* bad : {"", "pump", "pump@1/2", "@1970-01-01/1970-01-02", "pump@1970-01-02/1970-01-01"})
    CHECK_THROWS_AS(Maintenance({bad}), UsageError);
}

namespace {

struct Sent {
  std::map<std::string, int> times;
  std::vector<std::string> order;
  std::int64_t dropped = 0, duplicated = 0, late = 0, disordered = 0;
};

Sent send(const DisturbanceSettings& settings, int n, std::uint64_t stream = 0) {
  Disturbance way(settings, stream);
  Sent sent;
  const auto take = [&](const std::vector<std::string>& messages) {
    for (const std::string& message : messages) {
      ++sent.times[message];
      sent.order.push_back(message);
    }
  };
  for (int i = 0; i < n; ++i) take(way.push(std::to_string(i)));
  take(way.finish());
  sent.dropped = way.dropped();
  sent.duplicated = way.duplicated();
  sent.late = way.late();
  sent.disordered = way.disordered();
  return sent;
}

}  // namespace

TEST_CASE("disturbances hit their share of messages, the same ones for the same seed, and account for all") {
  const DisturbanceSettings settings{.drop = 0.1, .duplicate = 0.1, .late = 0.1, .disorder = 0.1, .seed = 3};
  const Sent sent = send(settings, 5000), again = send(settings, 5000), other = send(settings, 5000, 1);
  CHECK(sent.order == again.order);
  CHECK(sent.order != other.order);
  CHECK(sent.times.size() == static_cast<std::size_t>(5000 - sent.dropped));
  CHECK(sent.order.size() == static_cast<std::size_t>(5000 - sent.dropped + sent.duplicated));
  for (const std::int64_t n : {sent.dropped, sent.duplicated, sent.late, sent.disordered}) {
    CHECK(n > 300);
    CHECK(n < 700);
  }
  const Sent quiet = send({}, 10);
  CHECK(quiet.order.size() == 10);
  const Sent late = send({.late = 1, .late_rows = 3}, 5);
  CHECK(late.order == std::vector<std::string>{"0", "1", "2", "3", "4"});
  const Sent swapped = send({.disorder = 1}, 4);
  CHECK(swapped.order == std::vector<std::string>{"1", "0", "3", "2"});
}

namespace {

class FakeClock : public Clock {
 public:
  Nanoseconds now() const override { return time; }
  Nanoseconds steady() const override { return time; }
  Nanoseconds time = 0;
};

}  // namespace

TEST_CASE("windows of many assets go to the server together, and a server that is away loses none") {
  Bundle plain = test::fake_bundle();
  const auto bundle = std::make_shared<const Bundle>(plain);
  const auto model = test::fake_model(plain);
  FakeClock clock;
  int requests = 0, ready = 0, failing = 0;
  std::vector<Duration> pauses;
  RemoteParts parts;
  parts.judge = [&](const Windows& windows) {
    ++requests;
    if (failing > 0) {
      --failing;
      throw unreachable_error("nobody answers");
    }
    const WindowScores scores = score_windows(*bundle, *model, windows);
    return v2::RemoteScores{scores.score, scores.contribution, scores.expected, {}};
  };
  parts.ready = [&] {
    ++ready;
    return ready > 2;
  };
  parts.wait = [&](Duration pause) {
    pauses.push_back(pause);
    clock.time += pause.ns;
    return false;
  };
  parts.clock = &clock;
  RemoteBatch batch(parts, bundle, 1000);
  std::vector<std::string> got, expected;
  const VerdictSink sink = [&](const Verdict& verdict) { got.push_back(to_json(verdict).dump()); };
  Detector pump(bundle, nullptr, {.asset = "pump"}), fan(bundle, nullptr, {.asset = "fan"});
  Detector pump_here(bundle, model, {.asset = "pump"}), fan_here(bundle, model, {.asset = "fan"});
  const auto rows = test::random_rows(20, 3, 1);
  const auto push = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      batch.push(pump, sink, rows[i]);
      batch.push(fan, sink, rows[i]);
      expected.push_back(to_json(pump_here.push(rows[i])).dump());
      expected.push_back(to_json(fan_here.push(rows[i])).dump());
    }
    batch.flush();
  };
  push(0, 10);
  CHECK(requests == 1);
  failing = 5;
  push(10, 20);
  CHECK(got == expected);
  // Five tries, then it is left alone; twice it is not ready, and the third time it answers.
  CHECK(requests == 7);
  CHECK(ready == 3);
  REQUIRE(pauses.size() == 7);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(pauses[i].seconds() >= 0.1 * (1 << i));
    CHECK(pauses[i].seconds() <= 0.2 * (1 << i));
  }
  for (std::size_t i = 4; i < 7; ++i) CHECK(pauses[i] == seconds(10));
}

TEST_CASE("stopped while the server is away, the batch says so") {
  const auto bundle = std::make_shared<const Bundle>(test::fake_bundle());
  RemoteParts parts;
  parts.judge = [](const Windows&) -> v2::RemoteScores { throw unreachable_error("away"); };
  parts.wait = [](Duration) { return true; };
  RemoteBatch batch(parts, bundle, 1000);
  Detector detector(bundle, nullptr, {});
  const VerdictSink sink = [](const Verdict&) {};
  for (const Row& row : test::random_rows(6, 3, 1)) batch.push(detector, sink, row);
  CHECK_THROWS_WITH(batch.flush(), Contains("away"));
}

TEST_CASE("delays of readings are kept until they are taken, and no more of them than say enough") {
  Delays delays;
  CHECK(delays.take().median == 0);
  for (int i = 0; i < 100; ++i) delays.taken(0);
  delays.sent(5'000'000);
  CHECK(delays.take().p99 == 5);
  for (int second = 0; second < 300; ++second) {
    for (int i = 0; i < 1000; ++i) delays.taken(0);
    delays.sent(5'000'000);
  }
  CHECK(delays.size() == 65'536);
  CHECK(delays.take().median == 5);
  CHECK(delays.size() == 0);
}
