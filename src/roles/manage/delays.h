// How long readings take from their arrival to the sending of what was said of them. Private to manage. Thread rule:
// one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "anomctl/core/time.h"

namespace anomctl::manage {

class Delays {
 public:
  void taken(Nanoseconds received) { under_way_.push_back(received); }
  void sent(Nanoseconds now) {
    for (const Nanoseconds received : under_way_)
      if (ms_.size() < kMost) ms_.push_back(static_cast<double>(now - received) / 1e6);
    under_way_.clear();
  }
  // Of those sent since the last call (the first of them, where there are very many): what half of them and 99 of 100
  // did not pass; 0 without any.
  struct Figures {
    double median = 0, p99 = 0;
  };
  Figures take() {
    Figures figures;
    if (!ms_.empty()) {
      std::sort(ms_.begin(), ms_.end());
      figures = {ms_[ms_.size() / 2], ms_[ms_.size() * 99 / 100]};
    }
    ms_.clear();
    return figures;
  }
  std::size_t size() const { return ms_.size(); }

 private:
  static constexpr std::size_t kMost = 65'536;
  std::vector<Nanoseconds> under_way_;
  std::vector<double> ms_;
};

}  // namespace anomctl::manage
