// The place of this process among those that train together, as torchrun (or another launcher of its kind) tells it in
// the environment. Thread rule: values and pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace anomctl {

struct World {
  std::int64_t rank = 0, size = 1;              // of all processes
  std::int64_t local_rank = 0, local_size = 1;  // of those on this machine
  std::string master_address;                   // where rank 0 is met
  std::uint16_t master_port = 0;
  bool agent_store = false;  // the launcher listens there, not rank 0
  std::int64_t attempt = 0;  // how often the launcher has started the processes anew

  bool leads() const { return rank == 0; }
  std::string name() const;  // "rank 1 of 4"
};

// From RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT, TORCHELASTIC_RESTART_COUNT and
// TORCHELASTIC_USE_AGENT_STORE; the default where none is set. Throws UsageError for a half or a wrong set.
World world_from(const std::function<std::optional<std::string>(const std::string&)>& environment);

// The setting --device for this process: "cuda" among several means the GPU of the process's place on its machine, and so
// does "auto" where each has one. Throws UsageError where processes of one machine would share a GPU.
std::string device_for(const World& world, const std::string& device, std::int64_t gpus);

}  // namespace anomctl
