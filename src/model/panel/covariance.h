// Covariance estimates for the panel.
#pragma once

#include <Eigen/Core>

#include "anomctl/core/matrix.h"

namespace anomctl {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Ledoit and Wolf 2004: shrinkage of the sample covariance of (n, k) rows towards a multiple of the identity.
Eigen::MatrixXd ledoit_wolf(const RowMajor& rows);
// Inverse of ledoit_wolf(rows) with a small ridge, (k, k).
Matrix<double> shrunk_precision(const RowMajor& rows);

}  // namespace anomctl
