// The cheap detectors that need a fit. Private to cheap_detectors.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <random>

#include "anomctl/model/cheap_detectors.h"

namespace anomctl {

// Rows of one run are followed by those of the next at `start`; every row of `z` (n, k) is normal.
struct CheapTraining {
  Matrix<double> z;
  std::vector<std::size_t> start;  // first row of each stretch without a gap
};

// Hotelling's T2 of the components that hold 95 % of the variance, and the squared distance from their plane (Q), each
// over its 99 % quantile on train rows; the larger of the two. lambda < 1: the EWMA of its log1p.
std::unique_ptr<CheapDetector> fit_principal_components(const CheapTraining& training, double lambda);

// Its axes, (components, k).
Matrix<double> principal_axes(const CheapTraining& training);

// Distance of the last rows, taken as one vector, from the nearest of the centres that k-means finds in train.
std::unique_ptr<CheapDetector> fit_window_clusters(const CheapTraining& training, std::uint64_t seed);

}  // namespace anomctl
