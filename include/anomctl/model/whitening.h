// Turns residuals that move together into ones that do not. Thread rule: a pure function.
#pragma once

#include "anomctl/core/matrix.h"

namespace anomctl {

// rows: (n, k) residuals of about unit deviation -> W (k, k), symmetric, so that |W e|^2 is Mahalanobis' distance of e by
// their Ledoit-Wolf covariance (2004), and (W e)_i still belongs to sensor i (ZCA: Kessy, Lewin, Strimmer 2018).
Matrix<double> whitening_matrix(const Matrix<double>& rows);

}  // namespace anomctl
