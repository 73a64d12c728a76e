// What a linear relation tells of each sensor from the *other* sensors' last rows: one ridge regression a sensor, its own
// past left out, since a sensor's own past follows its fault. The relation network learns what this leaves over.
// Thread rule: constant once fitted.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/core/matrix.h"

namespace anomctl {

struct OthersRidge {
  // (k * l + 1, k): rows newest row's sensors, the row before's, ..., intercept; 0 where a sensor would see itself.
  Matrix<double> coefficients;
  std::vector<double> scale;  // k, deviation of what is left over

  // inputs: (l, k) clipped z-scores, newest row first; z: k, of the newest row, not clipped. out: k, what is left over
  // of each sensor in units of `scale`.
  void left_over(std::span<const double> inputs, std::span<const double> z, std::span<double> out) const;

  Json to_json() const;
  // Checks every size and number; throws Error(bad_input).
  static OthersRidge from_json(const Json& json, std::size_t sensors, std::size_t rows);
};

// inputs: (n, k * l), one line of left_over's inputs a row; z: (n, k). Coefficients from the first `fitted` rows, `ridge`
// the penalty a row; scale from all rows, `floor` the least.
OthersRidge fit_others_ridge(const Matrix<double>& inputs, const Matrix<double>& z, std::size_t fitted, double ridge,
                             double floor);

}  // namespace anomctl
