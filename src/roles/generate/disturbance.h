// What happens to one asset's messages on their way: dropped, sent twice, late, in the wrong order. The same seed does
// the same. Private to generate. Thread rule: one thread an object.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "anomctl/data/faults.h"
#include "anomctl/roles/generate.h"

namespace anomctl {

class Disturbance {
 public:
  Disturbance(const DisturbanceSettings& settings, std::uint64_t stream);
  // Takes one message; returns those that go out now, in order.
  std::vector<std::string> push(std::string message);
  // Those that still wait.
  std::vector<std::string> finish();

  std::int64_t dropped() const { return dropped_; }
  std::int64_t duplicated() const { return duplicated_; }
  std::int64_t late() const { return late_; }
  std::int64_t disordered() const { return disordered_; }

 private:
  struct Waiting {
    std::int64_t due = 0;  // the message before which it goes out
    std::string message;
  };
  bool chance(double share) { return share > 0 && random_.uniform() < share; }

  DisturbanceSettings settings_;
  bool quiet_;
  FaultRandom random_;
  std::int64_t number_ = 0;
  std::deque<Waiting> late_messages_;
  std::vector<std::string> swapped_;  // at most one: goes out after the next message
  std::int64_t dropped_ = 0, duplicated_ = 0, late_ = 0, disordered_ = 0;
};

}  // namespace anomctl
