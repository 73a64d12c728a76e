#include "commands/hidden_prompt.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <iostream>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

constexpr int kLookMs = 100;

class NoEcho {
 public:
  NoEcho() {
    tcgetattr(STDIN_FILENO, &before_);
    termios hidden = before_;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &hidden);
  }
  ~NoEcho() {
    tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    std::cerr << '\n';
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  termios before_{};
};

}  // namespace

std::string ask_hidden(const std::string& prompt, std::stop_token stop) {
  const NoEcho hidden;
  std::cerr << prompt << std::flush;
  std::string line;
  while (!line.ends_with('\n')) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const int ready = poll(&input, 1, kLookMs);
    if (stop.stop_requested()) throw failed("stopped, nothing was written");
    if (ready <= 0) continue;
    std::array<char, 512> bytes{};  // a terminal gives one line at a time
    const ssize_t n = read(STDIN_FILENO, bytes.data(), bytes.size());
    if (n <= 0) return line;
    line.append(bytes.data(), static_cast<std::size_t>(n));
  }
  line.pop_back();
  return line;
}

}  // namespace anomctl
