// Mean and deviation of sensors over rows. Private to model. Thread rule: a pure function.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "anomctl/core/matrix.h"

namespace anomctl {

struct ColumnMoments {
  std::vector<double> mean, deviation;  // k; deviation 1 of a column that is constant
};
// rows: (n, k), cells that are not finite are left out, as are rows with use[r] == 0 (empty: none). Welford.
inline ColumnMoments column_moments(const Matrix<double>& rows, std::span<const std::uint8_t> use) {
  ColumnMoments out{std::vector<double>(rows.cols(), 0), std::vector<double>(rows.cols(), 0)};
  for (std::size_t c = 0; c < rows.cols(); ++c) {
    double n = 0, mean = 0, square = 0;
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      if ((!use.empty() && use[r] == 0) || !std::isfinite(rows(r, c))) continue;
      ++n;
      const double delta = rows(r, c) - mean;
      mean += delta / n;
      square += delta * (rows(r, c) - mean);
    }
    out.mean[c] = mean;
    const double deviation = n > 0 ? std::sqrt(square / n) : 0;
    out.deviation[c] = deviation > 1e-9 * (1 + std::fabs(mean)) ? deviation : 1;
  }
  return out;
}

}  // namespace anomctl
