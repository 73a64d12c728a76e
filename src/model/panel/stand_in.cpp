#include "model/panel/stand_in.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <vector>

#include "model/panel/covariance.h"

namespace anomctl {

Matrix<double> stand_in_gain(const Matrix<double>& precision, std::span<const std::uint8_t> missing,
                             const Matrix<double>& effects) {
  const auto k = static_cast<Eigen::Index>(missing.size()), s = static_cast<Eigen::Index>(effects.rows());
  std::vector<Eigen::Index> gone;
  for (Eigen::Index i = 0; i < k; ++i)
    if (missing[static_cast<std::size_t>(i)] != 0) gone.push_back(i);
  const auto m = static_cast<Eigen::Index>(gone.size());
  const Eigen::Map<const RowMajor> p(precision.data(), k, k);
  RowMajor b = RowMajor::Zero(m + s, k);  // a line an unknown: what it adds to e
  for (Eigen::Index i = 0; i < m; ++i) b(i, gone[static_cast<std::size_t>(i)]) = 1;
  if (s > 0) b.bottomRows(s) = Eigen::Map<const RowMajor>(effects.data(), s, k);
  const RowMajor bp = b * p;
  Eigen::MatrixXd normal = bp * b.transpose();
  for (Eigen::Index i = m; i < m + s; ++i) normal(i, i) += 1;
  Matrix<double> gain(static_cast<std::size_t>(m + s), missing.size());
  Eigen::Map<RowMajor>(gain.data(), m + s, k) = -normal.ldlt().solve(bp);
  return gain;
}

}  // namespace anomctl
