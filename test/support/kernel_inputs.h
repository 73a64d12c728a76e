// Inputs of the kernels' tests. Thread rule: free functions.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "anomctl/kernels/kernels.h"

namespace anomctl {

using Floats = std::vector<float>;

inline Floats random_floats(std::size_t n, unsigned seed, float size = 1) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-size, size);
  Floats out(n);
  for (float& v : out) v = uniform(random);
  return out;
}

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline double at(const Floats& v, std::size_t i) { return static_cast<double>(v[i]); }

// W_hh (3 units, units) in the tiles of gru_step.
inline Floats tiled(const Floats& w, std::size_t units, std::size_t width) {
  const std::size_t ld = padded(units);
  Floats out(3 * ld * units, 0);
  for (std::size_t u = 0; u < units; ++u) {
    const std::size_t first = u / width * width, tile = std::min(width, ld - first);
    for (std::size_t gate = 0; gate < 3; ++gate) {
      for (std::size_t i = 0; i < units; ++i)
        out[3 * units * first + (3 * i + gate) * tile + u - first] = w[(gate * units + u) * units + i];
    }
  }
  return out;
}

}  // namespace anomctl
