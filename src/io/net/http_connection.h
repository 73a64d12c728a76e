// One connection of the server, and what its coroutines share. Private to the files that open Beast. Thread rule: a
// Connection's fields are used on its own thread only; Counted is safe as the atomic it counts in.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <chrono>
#include <memory>

#include "anomctl/io/net/http_server.h"
#include "io/net/waiting_reply.h"

namespace anomctl::net {

inline std::chrono::nanoseconds chrono_of(Duration d) { return std::chrono::nanoseconds(d.ns); }
inline auto into(boost::system::error_code& ec) { return boost::asio::redirect_error(boost::asio::use_awaitable, ec); }

// What drain needs of a connection.
struct Connection {
  explicit Connection(boost::beast::tcp_stream& s) : socket(&s), executor(s.get_executor()) {}
  boost::beast::tcp_stream* socket;  // null once the connection has ended
  boost::asio::any_io_executor executor;
  bool idle = true;
  SteadyClock::time_point idle_since = SteadyClock::now();
  std::shared_ptr<Pending> streaming;
};

// Opens `acceptor`. Throws UsageError for an address that is none of this machine's, Error(failed) when it is taken.
void listen_on(boost::asio::ip::tcp::acceptor& acceptor, const std::string& host, int port);

// A request as far as the socket tells: who sends it.
HttpRequest origin_of(const boost::asio::ip::tcp::socket& socket, bool tls);

// Adds to a number for as long as it lives.
class Counted {
 public:
  explicit Counted(std::atomic<std::int64_t>& n, std::int64_t by = 1) : n_(n), by_(by) { n_ += by_; }
  ~Counted() { n_ -= by_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  void add(std::int64_t more) {
    by_ += more;
    n_ += more;
  }

 private:
  std::atomic<std::int64_t>& n_;
  std::int64_t by_;
};

// Reads on after an answer that came before the request's end: closing at once would reset the connection under the
// answer.
boost::asio::awaitable<void> linger(boost::beast::tcp_stream& socket);

}  // namespace anomctl::net
