#include "anomctl/detection/score.h"

#include <cmath>
#include <limits>
#include <random>

#include "anomctl/core/error.h"
#include "anomctl/detection/replay.h"
#include "support/catch.h"
#include "support/fake_model.h"

using namespace anomctl;
using namespace anomctl::test;

TEST_CASE("the reference's contributions and total") {
  const ScoreSettings settings = ScoreSettings::reference(0.5);
  const std::vector<float> forecast = {1, 2}, reconstruction = {0, 4}, actual = {2, 2};
  std::vector<double> parts(2);
  contributions(settings, forecast, reconstruction, actual, {}, parts);
  CHECK(parts[0] == Approx((1 + 0.5 * 2) / 1.5));
  CHECK(parts[1] == Approx((0 + 0.5 * 2) / 1.5));
  CHECK(total_score(settings, parts) == Approx(3 / 1.5));
}

TEST_CASE("a sensor without a value or with model outputs that are not finite takes no part") {
  const ScoreSettings settings = ScoreSettings::reference(1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> forecast = {1, nan, 1, 1}, reconstruction = {1, 1, 1, 1}, actual = {3, 3, 3, 3};
  std::vector<double> parts(4);
  contributions(settings, forecast, reconstruction, actual, std::vector<std::uint8_t>{0, 0, 1, 0}, parts);
  CHECK(std::isnan(parts[1]));
  CHECK(std::isnan(parts[2]));
  CHECK(total_score(settings, parts) == Approx(8));  // (2 + 2) for two of four
  CHECK(std::isnan(total_score(settings, std::vector<double>{nan, nan})));
}

TEST_CASE("normalised errors do not depend on a sensor's unit, and constant columns stay finite") {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  HeldOutErrors errors;
  for (int i = 0; i < 500; ++i) {
    const float a = normal(random), b = normal(random), c = normal(random);
    const std::vector<float> actual = {a, 1000 * a, 5, b}, forecast = {a + b, 1000 * (a + b), 5, b},
                             reconstruction = {a + c, 1000 * (a + c), 5, b};
    errors.actual.append_row(actual);
    errors.forecast.append_row(forecast);
    errors.reconstruction.append_row(reconstruction);
  }
  const ScoreSettings settings = fit_score({.kind = "normalised"}, errors);
  std::vector<double> parts(4);
  const std::vector<float> forecast = {2, 2000, 5, 0}, reconstruction = {1, 1000, 5, 0}, actual = {0, 0, 5, 0};
  contributions(settings, forecast, reconstruction, actual, {}, parts);
  CHECK(parts[0] == Approx(parts[1]).epsilon(1e-4));
  CHECK(parts[0] > 0.5);
  CHECK(parts[2] == 0);
  const std::vector<float> jump = {0, 0, 100, 0};
  contributions(settings, forecast, reconstruction, jump, {}, parts);
  CHECK(parts[2] == settings.clip);
  CHECK(total_score(settings, parts) < std::log1p(4 * settings.clip) + 1e-9);
  CHECK_THROWS_AS(fit_score({}, HeldOutErrors{}), Error);
  CHECK(fit_score(ScoreSettings::reference(1), HeldOutErrors{}).kind == "reference");
}

TEST_CASE("whitened errors: a step against the usual direction weighs more than one along it") {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  HeldOutErrors errors;
  for (int i = 0; i < 4000; ++i) {
    const float common = normal(random), a = 0.2F * normal(random), b = 0.2F * normal(random);
    errors.actual.append_row(std::vector<float>{1 + common + a, 1000 * (common + b), 5});
    errors.forecast.append_row(std::vector<float>{1, 0, 5});
    errors.reconstruction.append_row(std::vector<float>{0, 0, 0});
  }
  const ScoreSettings settings = fit_score({}, errors);
  CHECK(settings.kind == "whitened");
  std::vector<double> along(3), against(3), parts(3);
  const std::vector<float> forecast = {1, 0, 5}, reconstruction = {0, 0, 0};
  contributions(settings, forecast, reconstruction, std::vector<float>{2, 1000, 5}, {}, along);
  contributions(settings, forecast, reconstruction, std::vector<float>{2, -1000, 5}, {}, against);
  CHECK(along[0] + along[1] < 1.5);  // Mahalanobis' distance of one deviation along the axis of most errors
  CHECK(against[0] + against[1] > 15);
  CHECK(total_score(settings, along) == Approx(std::log1p(along[0] + along[1] + along[2])));
  // The sensor at fault gets the larger part, and one without a value none.
  contributions(settings, forecast, reconstruction, std::vector<float>{4, 0, 5}, {}, parts);
  CHECK(parts[0] > parts[1]);
  CHECK(parts[2] < 0.01);
  contributions(settings, forecast, reconstruction, std::vector<float>{4, 0, 5}, std::vector<std::uint8_t>{1, 0, 0},
                parts);
  CHECK(std::isnan(parts[0]));
  CHECK(parts[1] < 0.1);
  contributions(settings, forecast, reconstruction, std::vector<float>{1e38F, -1e38F, 5}, {}, parts);
  CHECK(std::isfinite(total_score(settings, parts)));
}

TEST_CASE("score settings survive JSON and bad ones are refused") {
  HeldOutErrors errors;
  for (int i = 0; i < 5; ++i) {
    const std::vector<float> row = {static_cast<float>(i) / 3, 0.1F};
    errors.actual.append_row(row);
    errors.forecast.append_row(std::vector<float>{0, 0});
    errors.reconstruction.append_row(std::vector<float>{1, 0});
  }
  const std::string kind = GENERATE("whitened", "normalised");
  const ScoreSettings settings = fit_score({.kind = kind}, errors);
  const Json json = settings.to_json();
  CHECK(ScoreSettings::from_json(Json::parse(json.dump()), 2).to_json() == json);
  CHECK(settings.usual.value_or(-1) > 0);
  CHECK_THROWS_WITH(ScoreSettings::from_json(json, 3), Contains("forecast_center has 2 numbers") && Contains("take 3"));
  const auto changed = [&](const char* key, Json value) {
    Json other = json;
    other[key] = std::move(value);
    return other;
  };
  CHECK_THROWS_AS(ScoreSettings::from_json(changed("kind", "sum"), 2), Error);
  CHECK_THROWS_AS(ScoreSettings::from_json(changed("gamma", -1.0), 2), Error);
  CHECK_THROWS_AS(ScoreSettings::from_json(changed("smoothing", 1.5), 2), Error);
  CHECK_THROWS_AS(ScoreSettings::from_json(changed("usual", "much"), 2), Error);
  CHECK_THROWS_AS(ScoreSettings::from_json(changed("forecast_spread", std::vector<double>{1, 0}), 2), Error);
  if (kind == "whitened")
    CHECK_THROWS_WITH(ScoreSettings::from_json(changed("whitening", std::vector<double>{1, 0}), 2),
                      Contains("whitening has 2 numbers"));
}

TEST_CASE("smoothing weighs rows as pandas' ewm(alpha).mean() with adjust") {
  Smoothing smoothing(0.25, 1);
  const std::vector<double> totals = {3, 1, 4, 1, 5};
  double numerator = 0, denominator = 0;
  for (const double total : totals) {
    smoothing.push(total, std::vector<double>{total});
    numerator = numerator * 0.75 + total;
    denominator = denominator * 0.75 + 1;
    CHECK(smoothing.total() == Approx(numerator / denominator));
  }
  smoothing.restart();
  smoothing.push(7, std::vector<double>{1});
  CHECK(smoothing.total() == 7);
  Smoothing usual(0.25, 1, 2.0);
  usual.push(6, std::vector<double>{6});
  CHECK(usual.total() == Approx(0.75 * 2 + 0.25 * 6));
  usual.push(6, std::vector<double>{6});
  usual.restart();
  usual.push(2, std::vector<double>{2});
  CHECK(usual.total() == Approx(2));
  CHECK(Smoothing(0, 1, 2.0).total() == 0);
  Smoothing none(0, 1, 2.0);
  for (const double total : totals) {
    none.push(total, std::vector<double>{total});
    CHECK(none.total() == total);
  }
}

TEST_CASE("a part is replayed with a fresh start at each border and after rows left out") {
  const Bundle bundle = fake_bundle();
  const auto shared = std::make_shared<const Bundle>(bundle);
  const auto model = fake_model(bundle);
  Part part;
  for (const Row& row : random_rows(40, 3, 12)) {
    part.values.append_row(row.values);
    part.times.push_back(row.time);
    part.labels.push_back(0);
  }
  part.runs = {{0, 19}, {20, 39}};
  const auto scored = [&](const ReplayOptions& options) {
    std::string out;
    for (const double s : score_rows(shared, *model, part, options)) out += std::isnan(s) ? '.' : 's';
    return out;
  };
  CHECK(scored({}) == "....ssssssssssssssss....ssssssssssssssss");
  ReplayOptions left_out;
  left_out.use.assign(40, 1);
  left_out.use[10] = 0;
  CHECK(scored(left_out) == "....ssssss.....sssss....ssssssssssssssss");
  ReplayOptions lead;
  lead.lead_in = &part;
  CHECK(scored(lead) == "ssssssssssssssssssss....ssssssssssssssss");
  CHECK(held_out_errors(shared, *model, part).actual.rows() == 32);
}

TEST_CASE("windows judged for a server: score, contributions and expectations of each") {
  const Bundle bundle = fake_bundle();
  const auto model = fake_model(bundle);
  Detector detector(std::make_shared<const Bundle>(bundle), model, {});
  const auto rows = random_rows(12, 3, 13);
  std::vector<double> windows;
  std::vector<RowScore> expected;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    detector.push(rows[i]);
    if (i < kFakeWindow) continue;
    for (std::size_t r = i - kFakeWindow; r <= i; ++r)
      windows.insert(windows.end(), rows[r].values.begin(), rows[r].values.end());
    expected.push_back(detector.last_score());
  }
  const WindowScores scores = score_windows(bundle, *model, {expected.size(), windows});
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(scores.score[i] == expected[i].raw);
    for (std::size_t c = 0; c < 3; ++c) {
      CHECK(scores.contribution(i, c) == expected[i].per_sensor[c]);
      CHECK(scores.expected(i, c) == expected[i].expected[c]);
    }
  }
  windows[3] = std::nan("");
  CHECK_THROWS_AS(score_windows(bundle, *model, {expected.size(), windows}), Error);
  CHECK_THROWS_AS(score_windows(bundle, *model, {2, windows}), Error);
}
