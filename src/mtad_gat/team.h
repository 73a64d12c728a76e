// Processes that train together, over libtorch's c10d: they meet at a TCPStore, compare what they are about to do, and
// then add up and copy tensors over gloo. A process that waits longer than the timeout, or sees another one gone, throws
// Error(unreachable); nothing here hangs. Thread rule: one thread.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/core/time.h"
#include "anomctl/model/training.h"
#include "anomctl/model/world.h"

namespace anomctl {

class TorchTeam : public Team {
 public:
  // Rank 0 listens at the master's port, unless the launcher does; the others connect. Throws TrainingStopped.
  TorchTeam(const World& world, Duration timeout, std::stop_token stop);
  ~TorchTeam() override;

  const World& world() const { return world_; }
  // Waits for all processes and connects them. `settings`: lines of name=value. Throws UsageError on all of them where one
  // trains with other settings or other data than rank 0, TrainingStopped where one was told to stop.
  void meet(const std::string& settings, const std::string& data_hash);
  // Adds the tensors up over all processes, in place, on any device; they have one type. Returns whether any process said
  // `stopping`: the values are then of no use. All processes must call it with the same shapes.
  bool sum(const std::vector<at::Tensor>& tensors, bool stopping);
  // Rank 0's values for all, in place; its text for all.
  void copy_from_leader(const std::vector<at::Tensor>& tensors);
  std::string text_from_leader(const std::string& text);

 private:
  struct Connections;  // c10d's headers cost seconds a file
  void wait_for(const std::string& key, std::int64_t rank);

  World world_;
  Duration timeout_;
  std::stop_token stop_;
  std::unique_ptr<Connections> to_;
};

}  // namespace anomctl
