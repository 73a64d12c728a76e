#include "model/panel/covariance.h"

#include <Eigen/Cholesky>
#include <algorithm>

namespace anomctl {

Eigen::MatrixXd ledoit_wolf(const RowMajor& rows) {
  const auto n = static_cast<double>(rows.rows());
  const Eigen::Index k = rows.cols();
  const RowMajor x = rows.rowwise() - rows.colwise().mean();
  const Eigen::MatrixXd sample = x.transpose() * x / n;
  const double mu = sample.trace() / static_cast<double>(k);
  const double distance = (sample - mu * Eigen::MatrixXd::Identity(k, k)).squaredNorm();
  const RowMajor squares = x.array().square();
  const double noise = ((squares.transpose() * squares / n) - sample.array().square().matrix()).sum() / n;
  const double shrinkage = distance > 0 ? std::clamp(noise / distance, 0.0, 1.0) : 1.0;
  return (1 - shrinkage) * sample + shrinkage * mu * Eigen::MatrixXd::Identity(k, k);
}

Matrix<double> shrunk_precision(const RowMajor& rows) {
  Eigen::MatrixXd covariance = ledoit_wolf(rows);
  covariance.diagonal().array() += 1e-6;
  const RowMajor precision = covariance.llt().solve(Eigen::MatrixXd::Identity(covariance.rows(), covariance.cols()));
  Matrix<double> out(static_cast<std::size_t>(rows.cols()), static_cast<std::size_t>(rows.cols()));
  std::copy_n(precision.data(), precision.size(), out.data());
  return out;
}

}  // namespace anomctl
