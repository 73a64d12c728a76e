// What the machine has, as far as a program can see without changing anything. Thread rule: free functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anomctl/core/files.h"

namespace anomctl {

struct CpuFacts {
  std::string model;
  int cores = 0;  // that this process may use
  std::vector<std::string> features;
};
CpuFacts cpu_facts();

struct MemoryFacts {
  std::uint64_t total_bytes = 0, available_bytes = 0;
};
// The machine's, or the control group's limit where that is smaller.
MemoryFacts memory_facts();

struct DiskFacts {
  fs::path path;
  std::uint64_t total_bytes = 0, free_bytes = 0;
};
DiskFacts disk_facts(const fs::path& path);

struct Gpu {
  std::string name;
  std::uint64_t memory_bytes = 0;
};
struct GpuFacts {
  std::vector<Gpu> gpus;
  std::string driver;      // "570.86", empty without one
  std::string cuda;        // newest CUDA version that the driver serves: "13.0"
  std::string why_absent;  // set when `gpus` is empty
};
// Asks the driver's own library, opened at run time.
GpuFacts gpu_facts();

// "Debian GNU/Linux 12 (bookworm)"
std::string operating_system();

}  // namespace anomctl
