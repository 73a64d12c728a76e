#include "anomctl/detection/challenge.h"

#include <cmath>
#include <random>
#include <vector>

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

// 2,000 rows, every tenth stretch of 50 anomalous; `skill` lifts the scores there.
struct Sample {
  std::vector<double> scores;
  std::vector<std::uint8_t> flagged, labels;
  Opinions said() const { return {scores, flagged}; }
};
Sample sample(double skill, std::uint64_t seed, double limit = 3) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Sample s;
  for (int i = 0; i < 2000; ++i) {
    const bool anomalous = (i / 50) % 10 == 9;
    s.labels.push_back(anomalous);
    s.scores.push_back(normal(random) + (anomalous ? skill : 0));
    s.flagged.push_back(s.scores.back() >= limit);
  }
  return s;
}

}  // namespace

TEST_CASE("a challenger as good as the champion passes, a worse one does not", "[challenge]") {
  const Sample good = sample(4, 1), bad = sample(1, 2);
  const ChallengeResult same = challenge(good.said(), good.said(), good.labels, {});
  CHECK(same.passed);
  CHECK(*same.lower == 0);
  CHECK(same.anomalous == 200);
  const ChallengeResult worse = challenge(good.said(), bad.said(), good.labels, {});
  CHECK_FALSE(worse.passed);
  CHECK(*worse.lower < -0.2);
  CHECK_THAT(worse.in_words, Contains("more than 0.020"));
  const ChallengeResult better = challenge(bad.said(), good.said(), good.labels, {});
  CHECK(better.passed);
  CHECK(*better.new_pr_auc > *better.old_pr_auc);
}

TEST_CASE("a challenger that ranks as well but cries wolf does not pass", "[challenge]") {
  const Sample calm = sample(4, 1), nervous = sample(4, 1, 1);
  const ChallengeResult result = challenge(calm.said(), nervous.said(), calm.labels, {});
  CHECK(*result.lower == 0);
  CHECK(result.new_alarms > 0.1);
  CHECK_FALSE(result.passed);
}

TEST_CASE("a challenger whose limit is never reached does not pass", "[challenge]") {
  const Sample hears = sample(4, 1), deaf = sample(4, 1, 1e9);
  const ChallengeResult result = challenge(hears.said(), deaf.said(), hears.labels, {});
  CHECK(*result.lower == 0);
  CHECK(result.new_alarms == 0);
  CHECK(*result.old_recall > 0.7);
  CHECK(*result.new_recall == 0);
  CHECK_FALSE(result.passed);
  const std::vector<std::uint8_t> none(2000, 0);
  const ChallengeResult unlabelled = challenge(hears.said(), deaf.said(), none, {});
  CHECK_FALSE(unlabelled.passed);
  CHECK_THAT(unlabelled.in_words, Contains("flags no row at all"));
}

TEST_CASE("without labels only false alarms count", "[challenge]") {
  Sample calm = sample(0, 1), nervous = sample(0, 2, 1);
  const std::vector<std::uint8_t> none(2000, 0);
  const ChallengeResult fine = challenge(calm.said(), calm.said(), none, {});
  CHECK(fine.passed);
  CHECK_FALSE(fine.new_pr_auc);
  CHECK_THAT(fine.in_words, Contains("no anomaly is labelled"));
  CHECK_FALSE(challenge(calm.said(), nervous.said(), none, {}).passed);
}

TEST_CASE("only rows that both judged count, and a few are too few", "[challenge]") {
  Sample a = sample(4, 1), b = sample(4, 3);
  for (int i = 0; i < 500; ++i) a.scores[static_cast<std::size_t>(i)] = std::nan("");
  CHECK(challenge(a.said(), b.said(), a.labels, {}).rows == 1500);
  for (int i = 0; i < 1950; ++i) b.scores[static_cast<std::size_t>(i)] = std::nan("");
  CHECK_THROWS_WITH(challenge(a.said(), b.said(), a.labels, {}), Contains("50 rows"));
}

TEST_CASE("a challenger by chance as good passes about as often as the test says", "[challenge]") {
  // Worse by far more than the margin: hardly ever.
  int passed = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Sample champion = sample(3, 100 + seed), challenger = sample(2, 500 + seed);
    ChallengeSettings settings;
    settings.alarm_margin = 1;
    settings.draws = 100;
    passed += challenge(champion.said(), challenger.said(), champion.labels, settings).passed;
  }
  CHECK(passed <= 4);
}
