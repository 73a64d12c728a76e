#include "commands/terminal_progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "anomctl/core/log.h"

namespace anomctl {
namespace {
constexpr Nanoseconds kRedraw = 100 * kMillisecond;
constexpr Nanoseconds kTell = 5 * kSecond;
constexpr std::size_t kBarWidth = 20;

std::string rounded_rate(double per_second) {
  if (per_second >= 100) return with_commas(std::llround(per_second));
  return fmt::format("{:.3g}", per_second);
}

std::string time_text(double seconds) {
  const auto s = static_cast<std::int64_t>(std::ceil(seconds));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} h {:02} min", s / 3600, s % 3600 / 60);
}

std::string bar(double fraction) {
  const auto filled = static_cast<std::size_t>(std::clamp(fraction, 0.0, 1.0) * kBarWidth);
  return "[" + std::string(filled, '#') + std::string(kBarWidth - filled, '.') + "] ";
}
}  // namespace

std::string with_commas(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t i = digits.size(); i > first + 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

ProgressSettings stderr_progress_settings() {
  ProgressSettings settings;
  const char* kind = std::getenv("TERM");
  settings.terminal = isatty(STDERR_FILENO) == 1 && (kind == nullptr || std::string(kind) != "dumb");
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) settings.width = size.ws_col;
  return settings;
}

TerminalProgress::TerminalProgress(ProgressSettings settings, const Clock& clock)
    : settings_(settings), clock_(clock) {}

TerminalProgress::~TerminalProgress() { set_status_line(""); }

void TerminalProgress::begin(std::string_view what, std::int64_t total, std::string_view unit) {
  if (active_) end();
  what_ = what;
  unit_ = unit;
  total_ = total;
  done_ = 0;
  started_ = shown_ = clock_.steady();
  active_ = true;
  told_ = false;
}

std::string TerminalProgress::status(std::int64_t done) const {
  const double elapsed = static_cast<double>(clock_.steady() - started_) / 1e9;
  const double rate = elapsed > 0 ? static_cast<double>(done) / elapsed : 0;
  std::string text = what_ + ": ";
  if (total_ > 0) {
    const double fraction = static_cast<double>(done) / static_cast<double>(total_);
    text += fmt::format("{} of {} {} ({:.0f} %)", with_commas(done), with_commas(total_), unit_,
                        std::floor(100 * std::min(fraction, 1.0)));
  } else {
    text += fmt::format("{} {}", with_commas(done), unit_);
  }
  if (rate > 0) {
    text += fmt::format(", {} {}/s", rounded_rate(rate), unit_);
    if (total_ > done) text += fmt::format(", {} left", time_text(static_cast<double>(total_ - done) / rate));
  }
  return text;
}

void TerminalProgress::update(std::int64_t done) {
  if (!active_) return;
  done_ = done;
  const Nanoseconds now = clock_.steady();
  if (now - shown_ < (settings_.terminal ? kRedraw : kTell)) return;
  shown_ = now;
  told_ = true;
  if (!settings_.terminal) {
    log_line(LogLevel::info, status(done));
    return;
  }
  std::string line = status(done);
  if (total_ > 0) line = bar(static_cast<double>(done) / static_cast<double>(total_)) + line;
  set_status_line(line.substr(0, settings_.width - 1));
}

void TerminalProgress::end() {
  if (!active_) return;
  active_ = false;
  set_status_line("");
  if (!told_) return;
  const double elapsed = static_cast<double>(clock_.steady() - started_) / 1e9;
  log_line(LogLevel::info, fmt::format("{}: {} {} in {}", what_, with_commas(done_), unit_, time_text(elapsed)));
}

void TerminalProgress::note(std::string_view line) { log_line(LogLevel::info, line); }

}  // namespace anomctl
