// Rows of numbers as CSV without header, formatted and written on a thread of its own. Thread rule: one thread uses an
// object.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "anomctl/core/bounded_queue.h"
#include "anomctl/core/files.h"

namespace anomctl {

class RowFile {
 public:
  RowFile(const fs::path& path, std::size_t columns);
  ~RowFile();
  RowFile(const RowFile&) = delete;
  RowFile& operator=(const RowFile&) = delete;

  void push(std::span<const double> row);  // throws what the writing thread met
  void close();                            // all is written, or throws

 private:
  using Block = std::vector<double>;  // whole rows
  void write_all(std::stop_token stop);
  void hand_over();

  fs::path path_;
  std::size_t columns_;
  std::FILE* file_ = nullptr;
  Block filling_;
  BoundedQueue<Block> blocks_{8, WhenFull::wait};
  BoundedQueue<Block> empty_{16, WhenFull::drop_newest};  // blocks to use again
  std::exception_ptr failure_;                            // of the writing thread, read after it ended
  std::jthread writer_;
};

// Deals out the lines of a file: route(i) says to which of `targets` line i goes, or -1 for none.
void split_lines(const fs::path& file, const std::vector<fs::path>& targets,
                 const std::function<int(std::int64_t)>& route);
// One label a line.
void write_labels(const fs::path& path, const std::vector<std::uint8_t>& labels);

}  // namespace anomctl
