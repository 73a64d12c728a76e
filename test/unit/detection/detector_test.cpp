#include "anomctl/detection/detector.h"

#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/detection/replay.h"
#include "support/catch.h"
#include "support/fake_model.h"

using namespace anomctl;
using namespace anomctl::test;

namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

std::shared_ptr<const Bundle> share(Bundle bundle) { return std::make_shared<const Bundle>(std::move(bundle)); }

Bundle normalised_bundle() {
  Bundle bundle = fake_bundle();
  bundle.score = ScoreSettings{};
  bundle.score.kind = "normalised";
  for (auto* list : {&bundle.score.forecast_center, &bundle.score.reconstruction_center}) *list = {0.1, 0.2, 0.3};
  for (auto* list : {&bundle.score.forecast_spread, &bundle.score.reconstruction_spread}) *list = {0.5, 0.6, 0.7};
  bundle.thresholds["pot"] = 1.6;
  bundle.chosen_threshold = "pot";
  return bundle;
}

std::string text_of(const Verdict& verdict) { return to_json(verdict).dump(); }

}  // namespace

TEST_CASE("the first judged row is the one after a full window") {
  const Bundle bundle = fake_bundle();
  Detector detector(share(bundle), fake_model(bundle), {});
  const auto rows = random_rows(7, 3, 1);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Verdict verdict = detector.push(rows[i]);
    CHECK(std::isfinite(verdict.score) == (i >= kFakeWindow));
    CHECK(verdict.state == (i >= kFakeWindow ? State::normal : State::warmup));
    CHECK(detector.last_score().scored == (i >= kFakeWindow));
  }
  CHECK(detector.counts().rows == 7);
  CHECK(detector.counts().scored == 3);
}

TEST_CASE("the score of a row is the reference's sum, from the forecast before it and the reconstruction with it") {
  const Bundle bundle = fake_bundle();
  const auto model = fake_model(bundle);
  Detector detector(share(bundle), model, {});
  const auto rows = random_rows(9, 3, 2);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Verdict verdict = detector.push(rows[i]);
    if (i < kFakeWindow) continue;
    std::vector<float> windows;
    for (std::size_t r = i - kFakeWindow; r < i; ++r)
      windows.insert(windows.end(), rows[r].values.begin(), rows[r].values.end());
    for (std::size_t r = i - kFakeWindow + 1; r <= i; ++r)
      windows.insert(windows.end(), rows[r].values.begin(), rows[r].values.end());
    Expectation expectation;
    model->expect(windows, 2, expectation);
    double expected = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      const double x = static_cast<double>(static_cast<float>(rows[i].values[c]));
      expected += (std::abs(static_cast<double>(expectation.forecast(0, c)) - x) +
                   std::abs(static_cast<double>(expectation.reconstruction(1, c)) - x)) /
                  2;
    }
    CHECK(verdict.score == Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("rows judged in batches get the verdicts of rows pushed one by one, bit for bit") {
  const auto bundle = share(normalised_bundle());
  const auto model = fake_model(*bundle);
  const auto rows = troubled_rows(400, 3);
  const DetectorOptions options{.asset = "pump", .episodes = {.on_rows = 2}};
  Detector one(bundle, model, options);
  std::vector<std::string> expected;
  for (const Row& row : rows) expected.push_back(text_of(one.push(row)));
  CHECK(one.counts().gaps > 0);
  CHECK(one.counts().missing_cells > 50);
  CHECK(one.counts().anomalous > 0);
  const std::size_t n_episodes = one.take_episodes().size();
  CHECK(n_episodes > 0);
  for (const std::size_t batch : {1UL, 3UL, 64UL, 1000UL}) {
    Detector many(bundle, nullptr, options);
    std::vector<std::string> found;
    BatchJudge judge(many, *model, batch, [&](std::size_t number, const Verdict& verdict, const RowScore&) {
      CHECK(number == found.size());
      found.push_back(text_of(verdict));
    });
    for (const Row& row : rows) judge.push(row);
    judge.flush();
    CHECK(found == expected);
    CHECK(many.take_episodes().size() == n_episodes);
  }
}

TEST_CASE("a detector restored from a snapshot goes on as if nothing had happened, wherever it was taken") {
  const auto bundle = share(normalised_bundle());
  const auto model = fake_model(*bundle);
  const auto rows = troubled_rows(260, 4);
  const DetectorOptions options{.asset = "pump", .episodes = {.on_rows = 2, .off_rows = 3, .dead_band = 0.1}};
  Detector straight(bundle, model, options);
  Detector broken(bundle, model, options);
  for (const Row& row : rows) {
    Detector next(bundle, model, options);
    next.restore(broken.snapshot());
    REQUIRE(next.snapshot() == broken.snapshot());
    broken = std::move(next);
    REQUIRE(text_of(broken.push(row)) == text_of(straight.push(row)));
    const auto a = broken.take_episodes(), b = straight.take_episodes();
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) REQUIRE(to_json(a[i]).dump() == to_json(b[i]).dump());
  }
  CHECK(broken.counts().rows == 260);
}

TEST_CASE("a snapshot that is damaged or not ours is refused and leaves a new detector") {
  const auto bundle = share(normalised_bundle());
  const auto model = fake_model(*bundle);
  Detector detector(bundle, model, {.asset = "pump"});
  for (const Row& row : random_rows(20, 3, 5)) detector.push(row);
  const std::string good = detector.snapshot();
  for (std::size_t at = 0; at < good.size(); at += 7) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    Detector other(bundle, model, {.asset = "pump"});
    CHECK_THROWS_AS(other.restore(bad), Error);
    CHECK(other.push(random_rows(1, 3, 6)[0]).state == State::warmup);
  }
  Detector other_asset(bundle, model, {.asset = "fan"});
  CHECK_THROWS_WITH(other_asset.restore(good), Contains("another bundle or asset"));
  CHECK_THROWS_AS(other_asset.restore(good.substr(0, good.size() / 2)), Error);
  CHECK_THROWS_AS(other_asset.restore(""), Error);
  Bundle changed = *bundle;
  changed.thresholds["pot"] = 99;
  Detector new_limit(share(changed), model, {.asset = "pump"});
  CHECK_NOTHROW(new_limit.restore(good));
}

TEST_CASE("after a pause, a stamp that does not advance, or a restart the window fills anew") {
  const Bundle bundle = fake_bundle();
  const auto warms_up_at_10 = [&](auto change) {
    auto rows = random_rows(20, 3, 7);
    Detector detector(share(bundle), fake_model(bundle), {});
    std::vector<bool> scored;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      change(detector, rows, i);
      scored.push_back(std::isfinite(detector.push(rows[i]).score));
    }
    for (std::size_t i = 0; i < rows.size(); ++i) CHECK(scored[i] == ((i >= 4 && i < 10) || i >= 14));
    return detector.counts().gaps;
  };
  CHECK(warms_up_at_10([](Detector&, std::vector<Row>& rows, std::size_t i) {
          if (i >= 10) rows[i].time += 5 * kSecond;  // 6 s since the row before, more than 5 periods
        }) == 1);
  CHECK(warms_up_at_10([](Detector&, std::vector<Row>& rows, std::size_t i) {
          if (i >= 10) rows[i].time -= kSecond;  // the stamp of the row before
        }) == 1);
  CHECK(warms_up_at_10([](Detector& detector, std::vector<Row>&, std::size_t i) {
          if (i == 10) detector.restart();
        }) == 0);
}

TEST_CASE("a row at the edge of the longest pause is no gap") {
  const Bundle bundle = fake_bundle();
  auto rows = random_rows(10, 3, 8);
  for (std::size_t i = 6; i < 10; ++i) rows[i].time += 4 * kSecond;  // 5 s since the row before
  Detector detector(share(bundle), fake_model(bundle), {});
  for (const Row& row : rows) detector.push(row);
  CHECK(detector.counts().gaps == 0);
  CHECK(detector.counts().scored == 6);
}

TEST_CASE("a missing value is held, takes no part in the score, and poisons no later row") {
  const Bundle bundle = fake_bundle();
  auto rows = random_rows(20, 3, 9);
  rows[8].values[1] = kMissing;
  auto held = rows;
  held[8].values[1] = rows[7].values[1];
  Detector detector(share(bundle), fake_model(bundle), {});
  Detector reference(share(bundle), fake_model(bundle), {});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Verdict a = detector.push(rows[i]);
    const Verdict b = reference.push(held[i]);
    if (i < kFakeWindow) continue;
    CHECK(std::isfinite(a.score));
    if (i != 8) {
      CHECK(a.score == b.score);
      continue;
    }
    const RowScore& score = detector.last_score();
    CHECK(std::isnan(score.per_sensor[1]));
    CHECK(score.total == Approx((score.per_sensor[0] + score.per_sensor[2]) * 3 / 2));
    for (const Cause& cause : a.causes) CHECK(cause.sensor != "b");
  }
  CHECK(detector.counts().missing_cells == 1);
}

TEST_CASE("a sensor silent for too long is a sensor fault, all of them silent is no data") {
  const Bundle bundle = fake_bundle();
  Detector detector(share(bundle), fake_model(bundle), {.max_hold_rows = 3});
  auto rows = random_rows(40, 3, 10);
  std::vector<State> states;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i >= 10 && i < 16) rows[i].values[2] = kMissing;
    if (i >= 20 && i < 26) rows[i].values = {kMissing, kMissing, kMissing};
    const Verdict verdict = detector.push(rows[i]);
    states.push_back(verdict.state);
    if (verdict.state == State::sensor_fault)
      CHECK(verdict.reason == "c has given no value for " + std::to_string(i - 9) + " rows");
  }
  for (std::size_t i = 10; i < 16; ++i) CHECK(states[i] == (i < 13 ? State::normal : State::sensor_fault));
  for (std::size_t i = 20; i < 26; ++i) CHECK(states[i] == State::no_data);
  // The window was let go with the fourth empty row: four rows fill it again.
  for (std::size_t i = 26; i < 30; ++i) CHECK(states[i] == State::warmup);
  CHECK(states[30] == State::normal);
}

TEST_CASE("idle rows and those that settle after them are not judged, and the window fills anew") {
  Bundle bundle = fake_bundle();
  bundle.active_when = "a > 0";
  bundle.settle_s = 2;
  Detector detector(share(bundle), fake_model(bundle), {});
  auto rows = random_rows(40, 3, 14);
  std::string states;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].values[0] = i >= 10 && i < 15 ? 0 : 1 + 0.01 * rows[i].values[0];
    if (i == 13 || i == 30) rows[i].values[0] = kMissing;  // the last value tells: idle in row 13, at work in row 30
    const Verdict verdict = detector.push(rows[i]);
    states += to_string(verdict.state)[0];
    if (verdict.state == State::idle) CHECK(verdict.reason == "idle: not judged unless a > 0");
  }
  CHECK(states ==
        "wwww"
        "nnnnnn"
        "iiiii"
        "ii"
        "wwww"
        "nnnnnnnnnnnnnnnnnnn");
  CHECK(detector.counts().idle == 7);
  bundle.active_when = "pressure > 1";
  CHECK_THROWS_WITH(bundle_from_json(bundle_to_json(bundle), "f"), Contains("f: active_when"));
}

TEST_CASE("a verdict's id is a hash of asset, time and values") {
  const Bundle bundle = fake_bundle();
  const auto id_of = [&](const std::string& asset, Row row) {
    Detector detector(share(bundle), fake_model(bundle), {.asset = asset});
    return detector.push(row).id;
  };
  const Row row{kSecond, {1, 2, 3}};
  const std::string id = id_of("pump", row);
  CHECK(id.size() == 32);
  CHECK(id == id_of("pump", row));
  CHECK(id != id_of("fan", row));
  CHECK(id != id_of("pump", {2 * kSecond, {1, 2, 3}}));
  CHECK(id != id_of("pump", {kSecond, {1, 2, 3.0000001}}));
  CHECK(id_of("pump", {kSecond, {1, kMissing, 3}}) == id_of("pump", {kSecond, {1, -kMissing, 3}}));
}

TEST_CASE("contributions judged elsewhere give the verdicts of windows judged here") {
  const auto bundle = share(normalised_bundle());
  const auto model = fake_model(*bundle);
  const auto rows = troubled_rows(300, 11);
  Detector here(bundle, model, {});
  Detector there(bundle, nullptr, {});
  for (const Row& row : rows) {
    const std::string expected = text_of(here.push(row));
    there.prepare(row);
    const auto window = there.window_elsewhere();
    if (!window) {
      CHECK(text_of(there.judge_elsewhere({})) == expected);
      continue;
    }
    const WindowScores scores = score_windows(*bundle, *model, {1, window->rows, window->missing});
    CHECK(text_of(there.judge_elsewhere({scores.contribution.row(0), scores.expected.row(0)})) == expected);
  }
}
