#include "anomctl/model/others_ridge.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "model/panel/covariance.h"
#include "model/panel/numbers_json.h"

namespace anomctl {

void OthersRidge::left_over(std::span<const double> inputs, std::span<const double> z, std::span<double> out) const {
  const std::size_t k = scale.size();
  const auto intercept = coefficients.row(inputs.size());
  std::copy(intercept.begin(), intercept.end(), out.begin());
  for (std::size_t r = 0; r < inputs.size(); ++r) {
    const double input = inputs[r];
    if (input == 0) continue;
    const auto weights = coefficients.row(r);
    for (std::size_t i = 0; i < k; ++i) out[i] += input * weights[i];
  }
  for (std::size_t i = 0; i < k; ++i) out[i] = (z[i] - out[i]) / scale[i];
}

Json OthersRidge::to_json() const {
  Json j = Json::object();
  j["coefficients"] = json_of(coefficients);
  j["scale"] = Json(scale);
  return j;
}

OthersRidge OthersRidge::from_json(const Json& j, std::size_t sensors, std::size_t rows) {
  return {matrix_from(j.at("coefficients"), sensors * rows + 1, sensors, "the linear relation's coefficients"),
          positive(finite(j.at("scale"), sensors, "the linear relation's scale"), "the linear relation's scale")};
}

// The regressions differ only in the columns that they leave out, so the normal equations are inverted once, P = A^-1,
// and a block O is taken out of the inverse: (A_RR)^-1 = P_RR - P_RO P_OO^-1 P_OR.
OthersRidge fit_others_ridge(const Matrix<double>& inputs, const Matrix<double>& z, std::size_t fitted, double ridge,
                             double floor) {
  const auto n = static_cast<Eigen::Index>(fitted), m = static_cast<Eigen::Index>(inputs.cols());
  const auto k = static_cast<Eigen::Index>(z.cols());
  const Eigen::Index l = m / k;
  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(m + 1, m + 1), target = Eigen::MatrixXd::Zero(m + 1, k);
  constexpr Eigen::Index kBlock = 512;  // rows at once
  for (Eigen::Index first = 0; first < n; first += kBlock) {
    const Eigen::Index rows = std::min(kBlock, n - first);
    RowMajor x(rows, m + 1);
    x.leftCols(m) = Eigen::Map<const RowMajor>(inputs.row(static_cast<std::size_t>(first)).data(), rows, m);
    x.col(m).setOnes();
    gram.selfadjointView<Eigen::Lower>().rankUpdate(x.transpose());
    target.noalias() +=
        x.transpose() * Eigen::Map<const RowMajor>(z.row(static_cast<std::size_t>(first)).data(), rows, k);
  }
  const double penalty = std::max(ridge * static_cast<double>(n), 1e-9);
  for (Eigen::Index i = 0; i < m; ++i) gram(i, i) += penalty;
  gram(m, m) += 1e-9;
  const Eigen::MatrixXd inverse =
      gram.selfadjointView<Eigen::Lower>().ldlt().solve(Eigen::MatrixXd::Identity(m + 1, m + 1));

  OthersRidge out;
  out.coefficients = Matrix<double>(static_cast<std::size_t>(m + 1), static_cast<std::size_t>(k));
  out.scale.assign(static_cast<std::size_t>(k), 1);
  for (Eigen::Index i = 0; i < k; ++i) {
    Eigen::MatrixXd to_own(m + 1, l), own(l, l);
    Eigen::VectorXd b = target.col(i), own_part(l);
    for (Eigen::Index a = 0; a < l; ++a) {
      to_own.col(a) = inverse.col(a * k + i);
      b(a * k + i) = 0;
    }
    const Eigen::VectorXd all = inverse * b;
    for (Eigen::Index a = 0; a < l; ++a) {
      own_part(a) = all(a * k + i);
      own.row(a) = to_own.row(a * k + i);
    }
    const Eigen::VectorXd weights = all - to_own * own.ldlt().solve(own_part);
    for (Eigen::Index r = 0; r <= m; ++r) {
      const bool itself = r < m && r % k == i;
      out.coefficients(static_cast<std::size_t>(r), static_cast<std::size_t>(i)) = itself ? 0 : weights(r);
    }
  }
  const auto rows = static_cast<double>(inputs.rows());
  std::vector<double> left(out.scale.size()), squares(left.size(), 0), means(left.size(), 0);
  for (std::size_t r = 0; r < inputs.rows(); ++r) {
    out.left_over(inputs.row(r), z.row(r), left);
    for (std::size_t i = 0; i < left.size(); ++i) {
      means[i] += left[i] / rows;
      squares[i] += left[i] * left[i] / rows;
    }
  }
  for (std::size_t i = 0; i < left.size(); ++i)
    out.scale[i] = std::max(std::sqrt(std::max(0.0, squares[i] - means[i] * means[i])), floor);
  return out;
}

}  // namespace anomctl
