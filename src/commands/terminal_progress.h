// Progress for people: on a terminal one line that is redrawn, with rate and time left; elsewhere a log line every few
// seconds. Thread rule: one thread.
#pragma once

#include <functional>
#include <string>

#include "anomctl/core/progress.h"
#include "anomctl/core/time.h"

namespace anomctl {

struct ProgressSettings {
  bool terminal = false;
  std::size_t width = 80;  // of the terminal, in characters
};

class TerminalProgress : public Progress {
 public:
  TerminalProgress(ProgressSettings settings, const Clock& clock);
  ~TerminalProgress() override;
  TerminalProgress(const TerminalProgress&) = delete;
  TerminalProgress& operator=(const TerminalProgress&) = delete;

  void begin(std::string_view what, std::int64_t total, std::string_view unit) override;
  void update(std::int64_t done) override;
  void end() override;
  void note(std::string_view line) override;

  // "train: 1,200 of 5,000 windows (24 %), 310 windows/s, 12s left"
  std::string status(std::int64_t done) const;

 private:
  ProgressSettings settings_;
  const Clock& clock_;
  std::string what_, unit_;
  std::int64_t total_ = 0, done_ = 0;
  Nanoseconds started_ = 0, shown_ = 0;
  bool active_ = false, told_ = false;
};

// A terminal on stderr and its width.
ProgressSettings stderr_progress_settings();

// "1,234,567"
std::string with_commas(std::int64_t number);

}  // namespace anomctl
