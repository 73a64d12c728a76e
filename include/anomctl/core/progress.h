// Progress of long work, told to whoever watches. The work calls `update`; on a terminal a bar with rate and time left
// is drawn, elsewhere a line now and then. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anomctl {

class Progress {
 public:
  virtual ~Progress() = default;
  // A new stretch of work; total 0 when it is not known. `unit` is plural: "rows", "windows".
  virtual void begin(std::string_view what, std::int64_t total, std::string_view unit) = 0;
  virtual void update(std::int64_t done) = 0;
  virtual void end() = 0;
  // A line of news, for example one epoch's losses.
  virtual void note(std::string_view line) = 0;
};

class NoProgress : public Progress {
 public:
  void begin(std::string_view, std::int64_t, std::string_view) override {}
  void update(std::int64_t) override {}
  void end() override {}
  void note(std::string_view) override {}
};

}  // namespace anomctl
