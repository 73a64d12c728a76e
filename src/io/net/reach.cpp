#include "anomctl/io/net/reach.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

namespace anomctl {
namespace {

std::string text_of(int error) { return std::generic_category().message(error); }

std::string try_address(const addrinfo& address, int timeout_ms) {
  const int descriptor = socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return text_of(errno);
  int error = connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd waiting{descriptor, POLLOUT, 0};
    if (poll(&waiting, 1, timeout_ms) == 1) {
      socklen_t size = sizeof error;
      getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
    } else {
      error = ETIMEDOUT;
    }
  }
  close(descriptor);
  return error == 0 ? std::string() : text_of(error);
}

}  // namespace

std::string why_unreachable(const std::string& host, int port, Duration timeout) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found); error != 0) {
    return gai_strerror(error);
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  std::string reason;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    reason = try_address(*address, static_cast<int>(timeout.ns / kMillisecond));
    if (reason.empty()) return reason;
  }
  return reason;
}

}  // namespace anomctl
