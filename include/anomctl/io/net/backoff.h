// Pauses between tries: twice as long each time, with jitter so that many clients do not come back at once. Thread rule:
// one thread an object.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "anomctl/core/time.h"

namespace anomctl {

class Backoff {
 public:
  Backoff(Duration first, Duration longest, std::uint64_t seed = std::random_device{}())
      : first_(first), longest_(longest), random_(seed) {}
  // Between half of the pause and all of it.
  Duration next() {
    const double pause = std::min(static_cast<double>(longest_.ns),
                                  static_cast<double>(first_.ns) * static_cast<double>(1ULL << tries_));
    tries_ = std::min(tries_ + 1, 40U);
    return {static_cast<Nanoseconds>(pause * std::uniform_real_distribution<double>(0.5, 1.0)(random_))};
  }
  void reset() { tries_ = 0; }

 private:
  Duration first_, longest_;
  unsigned tries_ = 0;
  std::mt19937_64 random_;
};

}  // namespace anomctl
