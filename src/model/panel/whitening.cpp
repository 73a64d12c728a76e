#include "anomctl/model/whitening.h"

#include <Eigen/Eigenvalues>
#include <algorithm>

#include "model/panel/covariance.h"

namespace anomctl {

Matrix<double> whitening_matrix(const Matrix<double>& rows) {
  const auto k = static_cast<Eigen::Index>(rows.cols());
  const Eigen::Map<const RowMajor> given(rows.data(), static_cast<Eigen::Index>(rows.rows()), k);
  Eigen::MatrixXd covariance = ledoit_wolf(given);
  covariance.diagonal().array() += 1e-6;
  const RowMajor root = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(covariance).operatorInverseSqrt();
  Matrix<double> out(rows.cols(), rows.cols());
  std::copy_n(root.data(), root.size(), out.data());
  return out;
}

}  // namespace anomctl
