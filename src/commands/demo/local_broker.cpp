#include "commands/demo/local_broker.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/deploy/broker_auth.h"

namespace anomctl {
namespace {

constexpr int kStartTries = 3;  // another program may take the port between our look and mosquitto's

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  const bool ok = ::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(socket);
  if (!ok) throw failed("no port is free on the loopback address");
  return ntohs(address.sin_port);
}

bool listens(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const bool ok = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(socket);
  return ok;
}

std::string find_mosquitto() {
  for (const char* path :
       {"/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/bin/mosquitto"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  throw failed("mosquitto is not installed: apt-get install mosquitto (or use a broker of yours with --mqtt-url)");
}

std::string own_name() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry == nullptr ? "root" : entry->pw_name;
}

pid_t start(const std::string& program, const std::string& config) {
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw failed("mosquitto cannot be started: fork failed");
  if (child > 0) return child;
  // Only calls that are safe after a fork of a program with threads. The broker must not see the terminal's Ctrl-C
  // before we have ended in order, and must not outlive us.
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int nothing = ::open("/dev/null", O_RDWR);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, fd);
  const char* arguments[] = {program.c_str(), "-c", config.c_str(), nullptr};
  ::execv(program.c_str(), const_cast<char**>(arguments));
  ::_exit(127);
}

bool wait_until_up(pid_t process, int port) {
  for (int i = 0; i < 100; ++i) {
    if (listens(port)) return ::waitpid(process, nullptr, WNOHANG) == 0;
    if (::waitpid(process, nullptr, WNOHANG) != 0) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

}  // namespace

LocalBroker::LocalBroker(const std::string& topic_org)
    : sensor_{"sensor_blade", random_hex(16)}, manager_{"manager_blade", random_hex(16)} {
  const std::string program = find_mosquitto();
  const fs::path& folder = folder_.path();
  write_file_atomic(folder / "users",
                    mosquitto_password_line({sensor_.name, sensor_.password}) + "\n" +
                        mosquitto_password_line({manager_.name, manager_.password}) + "\n",
                    0600);
  write_file_atomic(folder / "acl", mosquitto_acl({topic_org, sensor_.name, manager_.name, "telegraf"}), 0600);
  for (int i = 0; i < kStartTries; ++i) {
    const int port = free_port();
    write_file_atomic(
        folder / "mosquitto.conf",
        fmt::format("listener {} 127.0.0.1\nallow_anonymous false\npassword_file {}/users\nacl_file {}/acl\n"
                    "persistence false\nmax_queued_messages 0\nmax_inflight_messages 200\nlog_dest none\nuser {}\n",
                    port, folder.string(), folder.string(), own_name()));
    process_ = start(program, (folder / "mosquitto.conf").string());
    if (wait_until_up(process_, port)) {
      url_ = fmt::format("mqtt://127.0.0.1:{}", port);
      return;
    }
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  throw failed(fmt::format("{} did not start on the loopback address", program));
}

LocalBroker::~LocalBroker() {
  ::kill(process_, SIGTERM);
  for (int i = 0; i < 60; ++i) {
    if (::waitpid(process_, nullptr, WNOHANG) != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

}  // namespace anomctl
