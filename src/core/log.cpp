#include "anomctl/core/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <mutex>

#include "anomctl/core/json.h"
#include "anomctl/core/time.h"

namespace anomctl {
namespace {

const std::string kEraseLine = "\r\033[K";

struct Sink {
  std::mutex mutex;
  std::atomic<LogLevel> level{LogLevel::info};
  std::atomic<bool> json{false};
  std::atomic<bool> color{false};
  std::string status;  // guarded by mutex
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

}  // namespace

void configure_log(const LogSettings& settings) {
  sink().level = settings.level;
  sink().json = settings.json;
  sink().color = settings.color;
}

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
  if (!sink().status.empty()) line = kEraseLine + line + sink().status;
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
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
