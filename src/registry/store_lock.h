// The lock of a folder of runs and registered models. Private to registry. Thread rule: one thread an object.
#pragma once

#include <cstdint>
#include <string>

#include "anomctl/core/files.h"

namespace anomctl {

// Throws Error(failed).
void make_folders(const fs::path& folder);
// folder/name, atomically, by way of a file in `beside`: who lists the folder meets no half-written name there.
void write_value(const fs::path& folder, const std::string& name, const std::string& text, const fs::path& beside);

// Held while experiments, runs and model versions are created: two trainings that start together get one experiment and
// two runs with different start times. The file holds the start of the latest run in ms.
class StoreLock {
 public:
  explicit StoreLock(const fs::path& root);
  ~StoreLock();
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;

  // `now_ms`, or one more than the last time it gave.
  std::int64_t next_start(std::int64_t now_ms) const;

 private:
  int fd_;
};

}  // namespace anomctl
