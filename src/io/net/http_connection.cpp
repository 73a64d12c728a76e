#include "io/net/http_connection.h"

#include <boost/asio/buffer.hpp>
#include <vector>

#include "anomctl/core/error.h"
#include "anomctl/core/files.h"

namespace anomctl::net {

using boost::asio::ip::tcp;
using boost::system::error_code;

void listen_on(tcp::acceptor& acceptor, const std::string& host, int port) {
  error_code ec;
  tcp::resolver resolver(acceptor.get_executor());
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, ec);
  if (ec || found.empty()) throw UsageError("host '" + host + "' is no address of this machine: " + ec.message());
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(boost::asio::socket_base::max_listen_connections, ec);
  if (ec) throw failed("cannot listen on " + host + ":" + std::to_string(port) + ": " + ec.message());
}

HttpRequest origin_of(const tcp::socket& socket, bool tls) {
  HttpRequest origin;
  error_code ec;
  const auto endpoint = socket.remote_endpoint(ec);
  if (!ec) origin.peer = endpoint.address().to_string();
  origin.tls = tls;
  return origin;
}

boost::asio::awaitable<void> linger(boost::beast::tcp_stream& socket) {
  error_code ec;
  socket.socket().shutdown(tcp::socket::shutdown_send, ec);
  socket.expires_after(std::chrono::seconds(1));
  std::vector<char> sink(16 * 1024);
  for (std::size_t total = 0; !ec && total < 8 * kMiB;)
    total += co_await socket.async_read_some(boost::asio::buffer(sink), into(ec));
}

}  // namespace anomctl::net
