#include "anomctl/core/log.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <system_error>

#include "anomctl/core/json.h"
#include "anomctl/core/log_level.h"
#include "anomctl/core/time.h"

namespace anomctl {
namespace {

const std::string kEraseLine = "\r\033[K";

struct Sink {
  std::mutex mutex;
  std::atomic<LogLevel> level{LogLevel::info};
  std::atomic<bool> json{false};
  std::atomic<bool> color{false};
  std::string status;                 // guarded by mutex
  std::atomic<int> trouble{0};        // the error of the last line where the disk is full
  std::atomic<std::int64_t> lost{0};  // lines in a row that nobody made room for
};
Sink& sink() {
  static Sink instance;
  return instance;
}

constexpr const char* name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    default:
      return "error";
  }
}

std::string lost_text(std::int64_t lost) { return fmt::format("{} log lines were lost: nobody read them", lost); }
std::string lost_entry(std::int64_t lost) {
  Json entry = Json::object();
  entry["time"] = format_stamp(system_clock().now());
  entry["level"] = "warning";
  entry["message"] = lost_text(lost);
  return entry.dump();
}

constexpr int kPatienceMs = 200;  // for who reads the log through a pipe

// Whether a line can be written now without waiting for a reader. A reader that stopped must not stop the program.
bool reader_takes_line() {
  pollfd entry{STDERR_FILENO, POLLOUT, 0};
  const int ready = poll(&entry, 1, sink().lost > 0 ? 0 : kPatienceMs);
  return ready != 0;  // also on an error: writing tells which
}

}  // namespace

void configure_log(const LogSettings& settings) {
  sink().level = settings.level;
  sink().json = settings.json;
  sink().color = settings.color;
}

void raise_log_level(LogLevel least) { sink().level = std::max(least, sink().level.load()); }

bool log_enabled(LogLevel level) { return level >= sink().level.load(std::memory_order_relaxed); }

void log_line(LogLevel level, std::string_view message) {
  if (!log_enabled(level)) return;
  std::string line;
  if (sink().json) {
    Json entry = Json::object();
    entry["time"] = format_stamp(system_clock().now());
    entry["level"] = name_of(level);
    entry["message"] = message;
    line = entry.dump();
  } else if (level >= LogLevel::warning) {
    const char* color = level == LogLevel::warning ? "\033[33m" : "\033[31m";
    line = sink().color ? fmt::format("{}{}:\033[0m {}", color, name_of(level), message)
                        : fmt::format("{}: {}", name_of(level), message);
  } else {
    line = message;
  }
  line += '\n';
  const std::lock_guard lock(sink().mutex);
  if (!reader_takes_line()) {
    ++sink().lost;
    return;
  }
  if (const std::int64_t lost = sink().lost.exchange(0); lost > 0)
    line = (sink().json ? lost_entry(lost) : fmt::format("warning: {}", lost_text(lost))) + "\n" + line;
  if (!sink().status.empty()) line = kEraseLine + line + sink().status;
  errno = 0;
  const bool written = std::fwrite(line.data(), 1, line.size(), stderr) == line.size() && std::fflush(stderr) == 0;
  const bool disk_full = !written && (errno == ENOSPC || errno == EDQUOT);
  sink().trouble = disk_full ? errno : 0;
  if (!written) std::clearerr(stderr);
}

std::string log_trouble() {
  if (const std::int64_t lost = sink().lost; lost > 0) return fmt::format("nobody reads it, {} lines lost", lost);
  const int error = sink().trouble;
  return error == 0 ? std::string() : "disk full: " + std::system_category().message(error);
}

void set_status_line(std::string_view line) {
  const std::lock_guard lock(sink().mutex);
  if (line.empty() && sink().status.empty()) return;
  sink().status = line;
  const std::string text = kEraseLine + sink().status;
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace anomctl
