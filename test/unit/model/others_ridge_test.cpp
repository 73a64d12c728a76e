#include "anomctl/model/others_ridge.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <random>

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

constexpr std::size_t kSensors = 4, kRows = 3;

// Rows of kRows past rows each, and what the sensors show in the newest one.
struct Sample {
  Matrix<double> inputs, z;
};
Sample sample(std::size_t n) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  Sample s{Matrix<double>(n, kSensors * kRows), Matrix<double>(n, kSensors)};
  for (std::size_t r = 0; r < n; ++r) {
    for (double& v : s.inputs.row(r)) v = normal(random);
    auto newest = s.inputs.row(r);
    newest[3] = 2 * newest[0] - newest[1] + 0.5 * newest[4 + 2] + 0.1 * normal(random);
    std::copy_n(newest.begin(), kSensors, s.z.row(r).begin());
  }
  return s;
}

}  // namespace

TEST_CASE("a ridge a sensor on the others, as solving each by itself gives it") {
  const Sample s = sample(300);
  const OthersRidge fitted = fit_others_ridge(s.inputs, s.z, 300, 0.01, 0.01);
  for (std::size_t i = 0; i < kSensors; ++i) {
    std::vector<std::size_t> kept;
    for (std::size_t c = 0; c < kSensors * kRows; ++c) {
      if (c % kSensors != i) kept.push_back(c);
    }
    Eigen::MatrixXd x(300, kept.size() + 1);
    Eigen::VectorXd y(300);
    for (Eigen::Index r = 0; r < 300; ++r) {
      for (std::size_t c = 0; c < kept.size(); ++c)
        x(r, static_cast<Eigen::Index>(c)) = s.inputs(static_cast<std::size_t>(r), kept[c]);
      x(r, x.cols() - 1) = 1;
      y(r) = s.z(static_cast<std::size_t>(r), i);
    }
    Eigen::MatrixXd a = x.transpose() * x;
    for (Eigen::Index c = 0; c + 1 < a.cols(); ++c) a(c, c) += 0.01 * 300;
    const Eigen::VectorXd weights = a.ldlt().solve(x.transpose() * y);
    for (std::size_t c = 0; c < kept.size(); ++c)
      CHECK(fitted.coefficients(kept[c], i) == Approx(weights(static_cast<Eigen::Index>(c))).margin(1e-6));
    for (std::size_t l = 0; l < kRows; ++l) CHECK(fitted.coefficients(l * kSensors + i, i) == 0);
  }
  CHECK(fitted.scale[3] == Approx(0.1).margin(0.03));
  CHECK(fitted.scale[2] > 0.5);
}

TEST_CASE("a sensor's own past does not reach what is left over of it") {
  const Sample s = sample(300);
  const OthersRidge fitted = fit_others_ridge(s.inputs, s.z, 300, 0.01, 0.01);
  std::vector<double> before(kSensors), after(kSensors);
  std::vector<double> inputs(s.inputs.row(7).begin(), s.inputs.row(7).end());
  const std::vector<double> z(s.z.row(7).begin(), s.z.row(7).end());
  fitted.left_over(inputs, z, before);
  for (std::size_t l = 0; l < kRows; ++l) inputs[l * kSensors + 1] += 3;
  fitted.left_over(inputs, z, after);
  CHECK(before[1] == after[1]);
  CHECK(before[3] != after[3]);
  const OthersRidge copy = OthersRidge::from_json(Json::parse(fitted.to_json().dump()), kSensors, kRows);
  CHECK(std::ranges::equal(copy.coefficients.values(), fitted.coefficients.values()));
  CHECK_THROWS_AS(OthersRidge::from_json(fitted.to_json(), kSensors, 2), Error);
}
