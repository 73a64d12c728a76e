// How far a correction of a forecast is borne out by rows that took no part in its fit. Private to the model room.
// Thread rule: pure functions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace anomctl {

inline constexpr std::size_t kGateBlocks = 12;  // for the standard error: rows near each other are not independent

// pair(r) for r in [0, n): (what the correction says, what it should have said). The share of the correction that least
// squares takes, less two standard errors over contiguous blocks, in [0, 1].
template <class Pair>
double held_out_gate(std::size_t n, const Pair& pair) {
  double cross = 0, square = 0;
  for (std::size_t r = 0; r < n; ++r) {
    const std::pair<double, double> p = pair(r);
    cross += p.first * p.second;
    square += p.first * p.first;
  }
  if (square <= 1e-9) return 0;
  const double slope = cross / square;
  double variance = 0;
  for (std::size_t b = 0; b < kGateBlocks; ++b) {
    double block = 0;
    for (std::size_t r = n * b / kGateBlocks; r < n * (b + 1) / kGateBlocks; ++r) {
      const std::pair<double, double> p = pair(r);
      block += p.first * p.second - slope * p.first * p.first;
    }
    variance += block * block;
  }
  return std::clamp(slope - 2 * std::sqrt(variance) / square, 0.0, 1.0);
}

}  // namespace anomctl
