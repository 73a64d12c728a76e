// What stands in for sensors that say nothing: the values that the others make most likely. A member that read a dead
// sensor's last value as if it were new would find the others at odds with it. Private to panel. Thread rule: free
// functions.
#pragma once

#include <cstdint>
#include <span>

#include "anomctl/core/matrix.h"

namespace anomctl {

// Most sensors without a value that others stand in for; the work grows with the third power.
inline constexpr std::size_t kMostStandIns = 64;

// e = e0 + sum over unknowns of unknown * its effect, where the unknowns are the residuals of the `missing` sensors (k
// flags) and the inputs whose effects on the residuals are the lines of `effects` (s, k). Returns the matrix (m + s, k)
// that gives from e0 (0 where missing) the unknowns with the least e' P e + the sum of the inputs' squares: the latter
// because inputs are z-scores. precision: P (k, k).
Matrix<double> stand_in_gain(const Matrix<double>& precision, std::span<const std::uint8_t> missing,
                             const Matrix<double>& effects);

}  // namespace anomctl
