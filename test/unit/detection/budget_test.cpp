#include "anomctl/detection/budget.h"

#include <cmath>
#include <limits>
#include <random>

#include "anomctl/core/error.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/detection/episodes.h"
#include "support/catch.h"
#include "support/fake_model.h"

using namespace anomctl;

namespace {

// Scores of a normal plant: they follow one another, and are higher while its load is, which changes slowly.
std::vector<double> plant_scores(std::size_t n, unsigned seed, double load_effect = 0.5) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> out;
  double load = 0, state = 0;
  for (std::size_t i = 0; i < n; ++i) {
    load += 0.002 * (-load) + 0.05 * normal(random);  // over some 500 rows
    state = 0.9 * state + std::sqrt(1 - 0.81) * normal(random);
    out.push_back(std::abs(state) + load_effect * load);
  }
  return out;
}

double episodes_over(const std::vector<double>& scores, double limit) {
  EpisodeTracker tracker(EpisodeSettings{}, "", "");
  std::vector<Episode> events;
  const std::vector<Cause> causes;
  for (std::size_t i = 0; i < scores.size(); ++i)
    tracker.push({static_cast<Nanoseconds>(i), scores[i], limit, &causes}, events);
  tracker.restart(events);
  return static_cast<double>(events.size()) / 2;  // each opens and closes
}

}  // namespace

TEST_CASE("Poisson's upper bound: three clean weeks for one a week") {
  CHECK(poisson_upper(0) == Approx(2.9957).epsilon(1e-4));
  CHECK(poisson_upper(1) == Approx(4.7439).epsilon(1e-4));
  CHECK(poisson_upper(10) == Approx(16.9622).epsilon(1e-4));
}

TEST_CASE("a budget is a number an hour, day, week or month") {
  CHECK(parse_budget("1/week").per_s() == Approx(1 / 604'800.0));
  CHECK(parse_budget("0.5/day").per_s() == Approx(0.5 / 86'400));
  CHECK(parse_budget("3/month").unit == "month");
  for (const char* bad : {"", "1", "/day", "1/", "1/year", "0/day", "-1/day", "1e9/day", "x/day", "1 /day", "nan/day"})
    CHECK_THROWS_AS(parse_budget(bad), UsageError);
}

TEST_CASE("plants stay inside the promise in at least 90 of 100 cases") {
  const Budget budget = parse_budget("2/day");
  constexpr std::size_t kDays = 10, kLater = 80, kRowsADay = 1'440;
  const double load_effect = GENERATE(0.0, 0.5);
  int inside = 0, paretos = 0;
  double used = 0;
  for (unsigned seed = 1; seed <= 100; ++seed) {
    const BudgetCalibration c = calibrate_budget(plant_scores(kDays * kRowsADay, seed, load_effect), 60);
    const BudgetLimit limit = limit_for(c, budget);
    const double later =
        episodes_over(plant_scores(kLater * kRowsADay, 1000 + seed, load_effect), limit.limit) / kLater;
    inside += later <= budget.episodes;
    paretos += limit.pareto;
    used += later / budget.episodes / 100;
  }
  INFO("load " << load_effect << ": " << inside << " inside, " << used << " of the budget used, " << paretos);
  CHECK(inside >= 90);
  CHECK(used > 0.1);  // it is no limit beyond everything
}

TEST_CASE("the limit falls as the budget grows, and stays at the level where it is larger than all clusters") {
  const BudgetCalibration c = calibrate_budget(plant_scores(30'000, 6), 60);
  REQUIRE(limit_for(c, parse_budget("1/week")).pareto);
  double before = std::numeric_limits<double>::infinity();
  for (const char* text : {"1/month", "1/week", "1/day", "1000/hour"}) {
    const double limit = limit_for(c, parse_budget(text)).limit;
    CHECK(limit < before);
    before = limit;
  }
  CHECK(before == Approx(c.level));
}

TEST_CASE("what the clean data cannot defend is said") {
  const BudgetCalibration c = calibrate_budget(plant_scores(20'000, 8), 60);  // 2 weeks
  const BudgetLimit week = limit_for(c, parse_budget("1/week"));
  CHECK(!week.defended);
  CHECK(week.in_words.find("to promise 1 a week with 95 % takes 3 clean weeks or more") != std::string::npos);
  const BudgetLimit day = limit_for(c, parse_budget("3/day"));
  CHECK(day.defended);
  CHECK(day.at_most_per_s <= parse_budget("3/day").per_s());
  CHECK(day.in_words.find("to promise") == std::string::npos);
}

TEST_CASE("where no tail fits the limit is empirical, as many as the budget bears with 95 %") {
  std::vector<double> scores(40'000, 0.0);
  std::mt19937 random(5);
  std::size_t bursts = 0;
  for (std::size_t i = 50; i < scores.size(); i += 500)
    scores[i] =
        bursts++ % 8 == 0 ? 100 + static_cast<double>(random() % 3) : 1 + 1e-3 * static_cast<double>(random() % 100);
  const BudgetCalibration c = calibrate_budget(scores, 60);
  const BudgetLimit limit = limit_for(c, parse_budget("1/day"));  // 27.8 of them
  CHECK(!limit.pareto);
  CHECK(limit.defended);
  CHECK(limit.seen == episodes_over(scores, limit.limit));
  CHECK(limit.in_words.find("empirical") != std::string::npos);
  const BudgetLimit strict = limit_for(c, parse_budget("1/month"));
  CHECK(strict.seen == 0);
  CHECK(episodes_over(scores, strict.limit) == 0);
  CHECK(strict.in_words.find("largest score seen") != std::string::npos);
}

TEST_CASE("scores that are not there count neither as time nor as calm") {
  std::vector<double> scores = plant_scores(20'000, 9);
  const BudgetCalibration whole = calibrate_budget(scores, 60);
  scores.insert(scores.begin() + 10'000, 5'000, std::numeric_limits<double>::quiet_NaN());
  const BudgetCalibration broken = calibrate_budget(scores, 60);
  CHECK(broken.clean_s == whole.clean_s);
  CHECK(broken.level == whole.level);
  CHECK_THROWS_AS(calibrate_budget(std::vector<double>(5, std::nan("")), 60), Error);
  CHECK_THROWS_AS(calibrate_budget(std::vector<double>{}, 60), Error);
}

TEST_CASE("a bundle keeps its calibration, and one without says what to do") {
  Bundle bundle = test::fake_bundle();
  CHECK_THROWS_AS(take_budget(bundle, "1/week"), UsageError);
  bundle.budget = calibrate_budget(plant_scores(20'000, 10), 60);
  bundle.budget->source = "of a test";
  Bundle copy = bundle_from_json(Json::parse(bundle_to_json(bundle).dump()), "a bundle");
  REQUIRE(copy.budget);
  CHECK(take_budget(copy, "1/week").limit == take_budget(bundle, "1/week").limit);
  CHECK(copy.threshold() == bundle.thresholds.at("budget"));
  Json spoilt = bundle_to_json(bundle);
  spoilt["budget"]["clean_s"] = 0.0;
  CHECK_THROWS_AS(bundle_from_json(spoilt, "a bundle"), Error);
}
