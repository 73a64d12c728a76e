#include "anomctl/detection/thresholds.h"

#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "support/catch.h"
#include "support/metric_vectors.h"

using namespace anomctl;

TEST_CASE("POT limits agree with the golden fits", "[thresholds]") {
  const auto vectors = test::metric_vectors();
  int checked = 0;
  for (const auto& [name, series] : vectors.at("series").as_object()) {
    const auto train = test::read_scores(name + ".train.csv").scores;
    for (const auto& golden : series.at("pot").as_array()) {
      if (golden.at("dynamic").as_bool()) continue;
      PotSettings settings;
      settings.q = golden.at("q").as_double();
      settings.level = golden.at("level").as_double();
      INFO(name << " q " << settings.q << " level " << settings.level);

      const auto exact = fit_pot(train, settings);
      CHECK(exact.initial == golden.at("init_threshold").as_double());
      CHECK(exact.peaks == static_cast<std::size_t>(golden.at("n_peaks").as_int()));
      CHECK(exact.threshold == Approx(golden.at("exact_grimshaw").at("threshold").as_double()).epsilon(1e-7));
      CHECK(exact.log_likelihood == Approx(golden.at("exact_grimshaw").at("loglik").as_double()).epsilon(1e-7));

      settings.mode = "reference";
      const auto reference = fit_pot(train, settings);
      CHECK(reference.threshold == Approx(golden.at("threshold").as_double()).epsilon(1e-6));
      CHECK(reference.gamma == Approx(golden.at("gamma").as_double()).epsilon(1e-5));
      ++checked;
    }
  }
  CHECK(checked == 20);
}

TEST_CASE("the exact POT fit does not depend on the unit of the scores", "[thresholds]") {
  auto train = test::read_scores("A_gamma.train.csv").scores;
  const double limit = pot_threshold(train);
  for (double& score : train) score *= 1000;
  CHECK(pot_threshold(train) == Approx(1000 * limit).epsilon(1e-9));
}

TEST_CASE("POT says when a tail cannot be fitted", "[thresholds]") {
  CHECK_THROWS_WITH(pot_threshold(std::vector<double>(500, 0.5)), Contains("a tail cannot be fitted"));
  CHECK_THROWS_WITH(pot_threshold({}), Contains("no score"));
  std::vector<double> rising(150);
  for (std::size_t i = 0; i < rising.size(); ++i) rising[i] = static_cast<double>(i);
  CHECK_THROWS_WITH(pot_threshold(rising), Contains("1 of 150 train scores"));
  rising[149] = rising[148] = 500;
  rising.resize(200, 0);
  CHECK_THROWS_WITH(pot_threshold(rising, {1e-3, 0.985, "exact"}), Contains("all alike"));
}

TEST_CASE("POT leaves out scores that are not numbers", "[thresholds]") {
  auto train = test::read_scores("A_gamma.train.csv").scores;
  const double limit = pot_threshold(train);
  train.insert(train.begin() + 7, std::numeric_limits<double>::quiet_NaN());
  CHECK(pot_threshold(train) == limit);
}

TEST_CASE("epsilon limits and EWMA agree with the golden values", "[thresholds]") {
  const auto vectors = test::metric_vectors();
  for (const auto& [name, series] : vectors.at("series").as_object()) {
    const auto train = test::read_scores(name + ".train.csv").scores;
    for (const auto& golden : series.at("epsilon").as_array()) {
      const auto& span = golden.at("ewma_span");
      const auto scores = span.is_null() ? train : ewma(train, span.as_double());
      const auto level = static_cast<int>(golden.at("reg_level").as_int());
      INFO(name << " level " << level << " span " << (span.is_null() ? 0 : span.as_int()));
      CHECK(epsilon_threshold(scores, level) == Approx(golden.at("threshold").as_double()).epsilon(1e-9));
    }
    const auto test = test::read_scores(name + ".test.csv").scores;
    for (const auto& [key, golden] : series.at("ewma").as_object()) {
      const auto smooth = ewma(test, std::stod(key.substr(4)));
      double sum = 0;
      for (const double value : smooth) sum += value;
      CHECK(sum == Approx(golden.at("test_sum").as_double()).epsilon(1e-9));
      for (const auto& [row, value] : golden.at("test_at").as_object())
        CHECK(smooth.at(std::stoul(row)) == Approx(value.as_double()).epsilon(1e-9));
    }
  }
}

TEST_CASE("epsilon falls back to the largest score", "[thresholds]") {
  CHECK(epsilon_threshold(std::vector<double>(200, 0.5)) == 0.5);
  CHECK(epsilon_threshold(std::vector<double>(200, 0.0)) == 0.0);
  std::vector<double> brief(81, 0.1);  // one spike with its margin covers more than half
  brief.back() = 5;
  CHECK(epsilon_threshold(brief) == 5);
  CHECK_THROWS_AS(epsilon_threshold({}), Error);
  CHECK_THROWS_AS(epsilon_threshold(brief, 3), UsageError);
}
