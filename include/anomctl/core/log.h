// Log lines to stderr: text or one JSON object a line. stdout is for results only. Thread rule: safe from any thread.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace anomctl {

enum class LogLevel { debug, info, warning, error, off };

struct LogSettings {
  LogLevel level = LogLevel::info;
  bool json = false;
  bool color = false;
};
void configure_log(const LogSettings& settings);
void log_line(LogLevel level, std::string_view message);
bool log_enabled(LogLevel level);
// "disk full: No space left on device", or that nobody reads the pipe and how many lines were lost, while lines are lost;
// else empty: the last line decides.
std::string log_trouble();
// A line at the bottom of the terminal that log lines push up; "" takes it away. Only for a stderr that is a terminal.
void set_status_line(std::string_view line);

template <class... A>
void log_debug(fmt::format_string<A...> format, A&&... args) {
  if (log_enabled(LogLevel::debug)) log_line(LogLevel::debug, fmt::format(format, std::forward<A>(args)...));
}
template <class... A>
void log_info(fmt::format_string<A...> format, A&&... args) {
  if (log_enabled(LogLevel::info)) log_line(LogLevel::info, fmt::format(format, std::forward<A>(args)...));
}
template <class... A>
void log_warning(fmt::format_string<A...> format, A&&... args) {
  log_line(LogLevel::warning, fmt::format(format, std::forward<A>(args)...));
}
template <class... A>
void log_error(fmt::format_string<A...> format, A&&... args) {
  log_line(LogLevel::error, fmt::format(format, std::forward<A>(args)...));
}

}  // namespace anomctl
