#include "anomctl/detection/sensor_faults.h"

#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/detection/detector.h"
#include "support/catch.h"
#include "support/fake_model.h"

using namespace anomctl;
using namespace anomctl::test;

namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

Matrix<double> train_rows() {
  Matrix<double> rows;
  for (int r = 0; r < 200; ++r) {
    // a moves, b stands still for four rows at a time, c never moves
    const std::vector<double> row = {std::sin(r), static_cast<double>(r / 4 % 10), 7};
    rows.append_row(row);
  }
  return rows;
}

Bundle faulty_bundle() {
  Bundle bundle = fake_bundle();
  bundle.sensor_limits = fit_sensor_limits(train_rows(), {{0, 199}}, {});
  bundle.thresholds["pot"] = 1000;
  bundle.chosen_threshold = "pot";
  return bundle;
}

std::vector<Row> usual_rows(std::size_t n) {
  std::vector<Row> rows(n);
  for (std::size_t i = 0; i < n; ++i)
    rows[i] = {static_cast<Nanoseconds>(i) * kSecond,
               {std::sin(static_cast<double>(i)), static_cast<double>(i / 4 % 10), 7}};
  return rows;
}

DetectorOptions watching() {
  DetectorOptions options;
  options.asset = "pump";
  options.faults.enabled = true;
  options.episodes.off_rows = 3;
  return options;
}

struct Judged {
  std::string states;  // first letters
  std::vector<Verdict> verdicts;
  std::vector<Episode> episodes;
};

Judged judge(Detector& detector, const std::vector<Row>& rows) {
  Judged judged;
  for (const Row& row : rows) {
    judged.verdicts.push_back(detector.push(row));
    judged.states += to_string(judged.verdicts.back().state)[0];
    for (Episode& episode : detector.take_episodes()) judged.episodes.push_back(std::move(episode));
  }
  return judged;
}

}  // namespace

TEST_CASE("the limits of a sensor are what training showed") {
  const auto limits = fit_sensor_limits(train_rows(), {{0, 199}}, {});
  REQUIRE(limits.size() == 3);
  CHECK(limits[0].low == Approx(-1).margin(0.001));
  CHECK(limits[0].longest_same == 1);
  CHECK(limits[1].high == 9);
  CHECK(limits[1].longest_same == 4);
  CHECK(limits[2].longest_same == 0);  // it never moved: standing still says nothing
  CHECK(sensor_limits_from_json(to_json(limits), 3) == limits);
  CHECK_THROWS_AS(sensor_limits_from_json(to_json(limits), 2), Error);
  std::vector<std::uint8_t> use(200, 1);
  use[0] = 0;
  Matrix<double> wild = train_rows();
  wild(0, 0) = 1e9;
  CHECK(fit_sensor_limits(wild, {{0, 199}}, use)[0].high < 1.01);
  Bundle bundle = faulty_bundle();
  CHECK(bundle_from_json(bundle_to_json(bundle), "b").sensor_limits == bundle.sensor_limits);
}

TEST_CASE("usual rows show no fault") {
  const Bundle bundle = faulty_bundle();
  Detector detector(std::make_shared<const Bundle>(bundle), fake_model(bundle), watching());
  const Judged judged = judge(detector, usual_rows(200));
  CHECK(judged.states == "wwww" + std::string(196, 'n'));
  CHECK(judged.episodes.empty());
  CHECK(detector.counts().fault_rows == 0);
}

TEST_CASE("a stuck sensor is told once, masked, and over when it moves again") {
  const Bundle bundle = faulty_bundle();
  Detector detector(std::make_shared<const Bundle>(bundle), fake_model(bundle), watching());
  auto rows = usual_rows(80);
  for (std::size_t i = 20; i < 50; ++i) rows[i].values[0] = 0.25;
  const Judged judged = judge(detector, rows);
  // Stuck after max(10, 3 x 1) rows: from row 30 on.
  CHECK(judged.states == "wwww" + std::string(26, 'n') + std::string(20, 's') + std::string(30, 'n'));
  REQUIRE(judged.episodes.size() == 2);
  CHECK(judged.episodes[0].kind == "sensor_fault");
  CHECK(judged.episodes[0].fault == "stuck");
  CHECK(judged.episodes[0].start == 30 * kSecond);
  CHECK(judged.episodes[0].reason ==
        "a has shown 0.25 bar for 11 rows, far longer than it ever stood still in training");
  CHECK(judged.episodes[1].closed);
  CHECK(judged.episodes[1].id == judged.episodes[0].id);
  CHECK(judged.episodes[1].end == 49 * kSecond);
  CHECK(judged.episodes[1].rows == 20);
  const Json json = to_json(judged.episodes[0]);
  CHECK(json.at("fault").as_string() == "stuck");
  CHECK(json.at("top1").as_string() == "a");
  CHECK(json.find("peak") == nullptr);
  for (std::size_t i = 30; i < 50; ++i)
    for (const Cause& cause : judged.verdicts[i].causes) CHECK(cause.sensor != "a");
  CHECK(judged.verdicts[35].reason ==
        "a has shown 0.25 bar for 16 rows, far longer than it ever stood still in training");
  CHECK(detector.counts().fault_rows == 20);
}

TEST_CASE("a value that cannot be is masked from its row on") {
  const Bundle bundle = faulty_bundle();
  DetectorOptions options = watching();
  options.faults.ranges = {parse_sensor_range("b=0..9")};
  Detector detector(std::make_shared<const Bundle>(bundle), fake_model(bundle), options);
  auto rows = usual_rows(40), without = rows;
  rows[20].values[0] = -9999;  // by the train range
  rows[30].values[1] = 9.5;    // by the user's
  rows[35].values[2] = 8;      // of a sensor without a range
  without[20].values[0] = without[30].values[1] = kMissing;
  without[35].values[2] = 8;
  const Judged judged = judge(detector, rows);
  CHECK(judged.verdicts[20].state == State::sensor_fault);
  CHECK(judged.verdicts[20].reason.starts_with("a shows -9999 bar, where "));
  CHECK(judged.verdicts[30].reason == "b shows 9.5 l/min, where 0 to 9 is possible");
  CHECK(judged.verdicts[35].state == State::normal);
  // The model sees what it would see without the value.
  Detector other(std::make_shared<const Bundle>(bundle), fake_model(bundle), {});
  const Judged expected = judge(other, without);
  for (std::size_t i = 4; i < 40; ++i) CHECK(judged.verdicts[i].score == expected.verdicts[i].score);
  CHECK_THROWS_AS(parse_sensor_range("flow"), UsageError);
  CHECK_THROWS_AS(parse_sensor_range("flow=5..1"), UsageError);
  options.faults.ranges = {parse_sensor_range("x=0..9")};
  CHECK_THROWS_AS(Detector(std::make_shared<const Bundle>(bundle), nullptr, options), UsageError);
}

TEST_CASE("a dead sensor is a fault of the sensor, a dead line is no data, and idle machines stand still") {
  Bundle bundle = faulty_bundle();
  Detector detector(std::make_shared<const Bundle>(bundle), fake_model(bundle), watching());
  auto rows = usual_rows(100);
  for (std::size_t i = 20; i < 40; ++i) rows[i].values[1] = kMissing;
  for (std::size_t i = 60; i < 80; ++i) rows[i].values = {kMissing, kMissing, kMissing};
  const Judged judged = judge(detector, rows);
  REQUIRE(judged.episodes.size() == 4);
  CHECK(judged.episodes[0].fault == "dead");
  CHECK(judged.episodes[0].start == 30 * kSecond);
  CHECK(judged.episodes[2].kind == "no_data");
  CHECK(judged.episodes[2].start == 70 * kSecond);
  CHECK(judged.episodes[3].closed);
  CHECK(judged.verdicts[75].state == State::no_data);

  bundle.active_when = "c > 0";
  Detector idle(std::make_shared<const Bundle>(bundle), fake_model(bundle), watching());
  auto still = usual_rows(100);
  for (std::size_t i = 20; i < 80; ++i) still[i].values = {0.25, 3, 0};
  CHECK(judge(idle, still).episodes.empty());
  DetectorOptions always = watching();
  always.active_when = "";
  Detector working(std::make_shared<const Bundle>(bundle), fake_model(bundle), always);
  CHECK(judge(working, still).episodes.size() == 4);  // a and b are stuck
}

TEST_CASE("a clock that is off is a fault, and its rows are judged") {
  const Bundle bundle = faulty_bundle();
  Detector detector(std::make_shared<const Bundle>(bundle), fake_model(bundle), watching());
  auto rows = usual_rows(30);
  for (std::size_t i = 10; i < 15; ++i) rows[i].clock_skew = -3600 * kSecond;
  const Judged judged = judge(detector, rows);
  CHECK(std::isfinite(judged.verdicts[12].score));
  CHECK(judged.verdicts[12].state == State::sensor_fault);
  REQUIRE(judged.episodes.size() == 2);
  CHECK(judged.episodes[0].fault == "clock_skew");
  CHECK(judged.episodes[0].reason == "the sender's clock is 3.6e+03 s behind (the arrival stands in for its stamps)");
}

TEST_CASE("silence is a verdict of its own, and its episode ends with the next row") {
  const Bundle bundle = faulty_bundle();
  Detector detector(std::make_shared<const Bundle>(bundle), fake_model(bundle), watching());
  auto rows = usual_rows(12);
  judge(detector, {rows.begin(), rows.begin() + 10});
  const Verdict verdict = detector.silence(9 * kSecond, 12 * kSecond);
  CHECK(verdict.state == State::no_data);
  CHECK(verdict.time == 12 * kSecond);
  CHECK(verdict.reason == "no reading for 3s since 1970-01-01T00:00:09Z");
  CHECK(to_json(verdict).find("score") == nullptr);
  CHECK(verdict.id != detector.silence(9 * kSecond, 72 * kSecond).id);
  CHECK(detector.take_episodes().size() == 1);
  rows[10].time = 100 * kSecond;
  const Verdict next = detector.push(rows[10]);
  CHECK(next.state == State::warmup);  // after a pause the window fills anew
  const auto events = detector.take_episodes();
  REQUIRE(events.size() == 1);
  CHECK(events[0].kind == "no_data");
  CHECK(events[0].closed);
}

TEST_CASE("faults, silence and latched episodes live on in a snapshot") {
  Bundle bundle = faulty_bundle();
  bundle.thresholds["pot"] = 3;
  const auto shared = std::make_shared<const Bundle>(bundle);
  const auto model = fake_model(bundle);
  DetectorOptions options = watching();
  options.episodes.latch = true;
  Detector straight(shared, model, options), broken(shared, model, options);
  auto rows = usual_rows(150);
  for (std::size_t i = 20; i < 50; ++i) rows[i].values[0] = 0.25;
  for (std::size_t i = 60; i < 75; ++i) rows[i].values[1] = kMissing;
  for (std::size_t i = 90; i < 93; ++i) rows[i].values[2] = 20;
  std::vector<Episode> all;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Detector next(shared, model, options);
    next.restore(broken.snapshot());
    broken = std::move(next);
    REQUIRE(to_json(broken.push(rows[i])).dump() == to_json(straight.push(rows[i])).dump());
    if (i == 120) {
      CHECK(straight.push({rows[i].time + kMillisecond * 500, rows[i].values}).state == State::open);  // latched
      broken.push({rows[i].time + kMillisecond * 500, rows[i].values});
      straight.acknowledge();
      broken.acknowledge();
    }
    const auto a = broken.take_episodes(), b = straight.take_episodes();
    REQUIRE(a.size() == b.size());
    for (std::size_t e = 0; e < a.size(); ++e) {
      REQUIRE(to_json(a[e]).dump() == to_json(b[e]).dump());
      all.push_back(a[e]);
    }
  }
  CHECK(std::count_if(all.begin(), all.end(), [](const Episode& e) { return e.closed && e.kind == "anomaly"; }) == 1);
  CHECK(std::count_if(all.begin(), all.end(), [](const Episode& e) { return e.kind == "sensor_fault"; }) == 4);
}
