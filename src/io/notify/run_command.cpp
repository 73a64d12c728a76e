#include "io/notify/run_command.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "anomctl/core/stop.h"

namespace anomctl {
namespace {

constexpr int kLookMs = 20;

// Only calls that are safe after a fork of a program with threads.
[[noreturn]] void become(const char* command, int input) {
  ::setpgid(0, 0);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(input, STDIN_FILENO);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);  // our standard output carries results only
  // Libraries leave sockets open here: a command that outlives us would keep them, and the broker would not see us go.
  if (::close_range(STDERR_FILENO + 1, ~0U, 0) != 0)
    for (int file = STDERR_FILENO + 1; file < 1024; ++file) ::close(file);  // a kernel before 5.9
  const char* arguments[] = {"/bin/sh", "-c", command, nullptr};
  ::execv(arguments[0], const_cast<char**>(arguments));
  ::_exit(127);
}

std::string outcome(int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFEXITED(status)) return fmt::format("it ended with {}", WEXITSTATUS(status));
  return fmt::format("it ended by signal {}", WTERMSIG(status));
}

}  // namespace

std::string run_command(const std::string& command, const std::string& input, Duration timeout, std::stop_token stop) {
  int ends[2];
  // A pair of sockets, not a pipe: a command that does not read must not raise SIGPIPE here.
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return "no more files can be opened";
  const pid_t child = ::fork();
  if (child == 0) become(command.c_str(), ends[1]);
  ::close(ends[1]);
  if (child < 0) {
    ::close(ends[0]);
    return "no more processes can be started";
  }
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  const Nanoseconds end = system_clock().steady() + timeout.ns;
  std::string_view rest = input;
  for (;;) {
    while (!rest.empty()) {
      const ssize_t n = ::send(ends[0], rest.data(), rest.size(), MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN && errno != EINTR) rest = {};  // it does not read, and may
      if (n < 0) break;
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    if (rest.empty()) ::shutdown(ends[0], SHUT_WR);
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) {
      ::close(ends[0]);
      return outcome(status);
    }
    const bool late = system_clock().steady() > end;
    if (late || wait_for_stop(stop, kLookMs)) {
      ::kill(-child, SIGKILL);
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      ::close(ends[0]);
      return late ? "it took too long and was killed" : "stopped";
    }
  }
}

}  // namespace anomctl
