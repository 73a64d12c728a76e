#include "anomctl/model/cheap_detectors.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "support/catch.h"

using namespace anomctl;

namespace {

// Three sensors, the third the sum of the others and a little noise.
Matrix<double> plant(std::size_t n, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Matrix<double> rows(n, 3);
  double a = 0, b = 0;
  for (std::size_t r = 0; r < n; ++r) {
    a = 0.9 * a + 0.3 * normal(random);
    b = 0.9 * b + 0.3 * normal(random);
    rows(r, 0) = 10 + a;
    rows(r, 1) = 200 + 5 * b;
    rows(r, 2) = a + b + 0.05 * normal(random);
  }
  return rows;
}

struct Scores {
  std::vector<std::string> names;
  Matrix<double> values;
  std::vector<double> of(const std::string& name) const {
    const auto at = std::find(names.begin(), names.end(), name);
    REQUIRE(at != names.end());
    std::vector<double> out;
    for (std::size_t r = 0; r < values.rows(); ++r)
      out.push_back(values(r, static_cast<std::size_t>(at - names.begin())));
    return out;
  }
};

Scores score(const Matrix<double>& eval) {
  const auto train = plant(2000, 1);
  const std::vector<RowRange> runs = {{0, 999}, {1000, 1999}};
  CheapDetectors detectors(train, runs, {}, 7);
  const std::vector<RowRange> one = {{0, static_cast<std::int64_t>(eval.rows()) - 1}};
  return {detectors.names(), detectors.scores(eval, one)};
}

double mean(const std::vector<double>& v, std::size_t first, std::size_t end) {
  double sum = 0;
  for (std::size_t i = first; i < end; ++i) sum += v[i];
  return sum / static_cast<double>(end - first);
}

}  // namespace

TEST_CASE("each cheap detector sees the fault it is made for", "[cheap]") {
  auto shifted = plant(400, 2);
  for (std::size_t r = 200; r < 400; ++r) shifted(r, 0) += 4;
  auto scores = score(shifted);
  for (const char* name : {"z-score", "EWMA chart", "PCA T2 and Q", "PCA T2 and Q, smoothed", "k-means on windows"}) {
    INFO(name);
    const auto s = scores.of(name);
    CHECK(mean(s, 250, 400) > 1.5 * mean(s, 50, 200));
  }
  const auto step = scores.of("last value");
  CHECK(std::max_element(step.begin() + 1, step.end()) - step.begin() == 200);

  auto stuck = plant(400, 3);
  for (std::size_t r = 200; r < 400; ++r) stuck(r, 1) = stuck(199, 1);
  scores = score(stuck);
  CHECK(mean(scores.of("moving variance"), 250, 400) > 2 * mean(scores.of("moving variance"), 50, 200));

  auto unrelated = plant(400, 4);
  const auto other = plant(400, 5);
  for (std::size_t r = 200; r < 400; ++r) unrelated(r, 2) = other(r, 2);  // in range, but not the sum any more
  scores = score(unrelated);
  CHECK(mean(scores.of("PCA T2 and Q"), 200, 400) > 5 * mean(scores.of("PCA T2 and Q"), 50, 200));

  const auto random = scores.of("random");
  CHECK(mean(random, 0, 400) == Approx(0.5).margin(0.06));
  CHECK(*std::min_element(random.begin(), random.end()) < 0.02);
}

TEST_CASE("cheap detectors warm up after each border and hold what is missing", "[cheap]") {
  auto rows = plant(200, 6);
  rows(50, 0) = rows(51, 0) = std::numeric_limits<double>::quiet_NaN();
  const auto train = plant(500, 1);
  const std::vector<RowRange> runs = {{0, 499}};
  CheapDetectors detectors(train, runs, {}, 7);
  const std::vector<RowRange> two = {{0, 99}, {100, 199}};
  const auto scores = detectors.scores(rows, two);
  const auto names = detectors.names();
  for (std::size_t d = 0; d < names.size(); ++d) {
    INFO(names[d]);
    std::size_t silent = 0;
    for (std::size_t r = 0; r < 200; ++r) silent += std::isnan(scores(r, d)) ? 1 : 0;
    const std::size_t wanted = names[d] == "last value"           ? 2
                               : names[d] == "moving variance"    ? 30
                               : names[d] == "k-means on windows" ? 14
                                                                  : 0;
    CHECK(silent == wanted);
  }
  // The same rows give the same scores whatever came before; the random one goes on.
  const auto again = detectors.scores(rows, two);
  for (std::size_t r = 0; r < 200; ++r)
    for (std::size_t d = 1; d < names.size(); ++d)
      if (!std::isnan(scores(r, d))) CHECK(scores(r, d) == again(r, d));
  std::vector<std::uint8_t> none(500, 0);
  CHECK_THROWS(CheapDetectors(train, runs, none, 7));
}
