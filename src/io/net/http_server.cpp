// The server proper; with http_connection.cpp and request_reader.cpp the only files with Beast in them, which takes long
// to compile.
#include "anomctl/io/net/http_server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <thread>
#include <unordered_set>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "io/net/http_connection.h"
#include "io/net/http_message.h"
#include "io/net/listen_filter.h"
#include "io/net/loops.h"
#include "io/net/request_reader.h"
#include "io/net/tls_context.h"
#include "io/net/waiting_reply.h"

namespace anomctl {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using net::chrono_of;
using net::Connection;
using net::Counted;
using net::into;
using net::linger;
using net::origin_of;
using net::Pending;
using net::SteadyClock;
using net::Waiter;

namespace {

// Beast bounds a chunk's extension and a trailer by the buffer alone.
constexpr std::size_t kReadAhead = 64 * 1024;

}  // namespace

struct HttpServer::Impl {
  Impl(HttpServerSettings s, HttpHandler h)
      : settings(std::move(s)), handler(std::move(h)), loops(settings.threads), acceptor(loops.first()) {}

  const HttpServerSettings settings;
  const HttpHandler handler;
  std::shared_ptr<asio::ssl::context> tls;  // under mutex once it runs
  std::atomic<Nanoseconds> made_room{0};    // when idle connections were closed for new ones, steady clock
  std::atomic<bool> draining{false}, listening{true};
  int port = 0;  // what was bound
  std::atomic<std::int64_t> connections{0}, in_flight{0}, pending_bytes{0};
  std::mutex mutex;
  std::unordered_set<std::shared_ptr<Connection>> open;  // under mutex
  net::Loops loops;
  tcp::acceptor acceptor;  // on the first loop

  asio::awaitable<void> accept_loop();
  void admit(tcp::socket socket);
  asio::awaitable<void> refuse_connection(tcp::socket socket);
  asio::awaitable<void> run_plain(tcp::socket socket);
  asio::awaitable<void> run_secure(tcp::socket socket);
  template <class Stream>
  asio::awaitable<void> serve(Stream& stream, std::shared_ptr<Connection> connection, HttpRequest origin);
  template <class Stream>
  asio::awaitable<int> read_body(Stream& stream, beast::flat_buffer& buffer, net::RequestParser& parser, Counted& held,
                                 error_code& ec);
  template <class Stream>
  asio::awaitable<void> refuse_request(Stream& stream, int status, std::string_view why);
  template <class Stream>
  asio::awaitable<bool> answer(Stream& stream, Connection& connection, HttpRequest request, net::Persistence persist);
  template <class Stream>
  asio::awaitable<void> write_stream(Stream& stream, Waiter& waiter);
  void close_idle(Duration grace);
};

asio::awaitable<void> HttpServer::Impl::accept_loop() {
  error_code ec;
  while (listening) {
    tcp::socket socket = co_await acceptor.async_accept(loops.next(), into(ec));
    if (!ec) {
      admit(std::move(socket));
    } else if (listening) {
      // Mostly out of file descriptors: others must end first.
      asio::steady_timer pause(acceptor.get_executor(), std::chrono::milliseconds(20));
      co_await pause.async_wait(into(ec));
    }
  }
}

void HttpServer::Impl::admit(tcp::socket socket) {
  error_code ec;
  socket.set_option(tcp::no_delay(true), ec);
  const auto executor = socket.get_executor();
  const bool full = connections >= settings.bounds.max_connections;
  if (full) {
    if (settings.on_refused) settings.on_refused(503);
    // Who holds a connection without a request makes room; the next to come gets it.
    const Nanoseconds now = system_clock().steady();
    if (now - made_room >= 100 * kMillisecond) {
      made_room = now;
      close_idle(seconds(5));
    }
    // Those that are told so are bounded too.
    if (settings.tls.enabled() || connections >= settings.bounds.max_connections + 64) return;
  }
  ++connections;
  asio::post(executor, [this, full, socket = std::move(socket)]() mutable {
    const auto ended = [this](const std::exception_ptr& failure) {
      --connections;
      if (failure) log_error("a connection ended by an exception");
    };
    const auto loop = socket.get_executor();
    if (full)
      asio::co_spawn(loop, refuse_connection(std::move(socket)), ended);
    else if (settings.tls.enabled())
      asio::co_spawn(loop, run_secure(std::move(socket)), ended);
    else
      asio::co_spawn(loop, run_plain(std::move(socket)), ended);
  });
}

asio::awaitable<void> HttpServer::Impl::refuse_connection(tcp::socket socket) {
  beast::tcp_stream stream(std::move(socket));
  stream.expires_after(std::chrono::seconds(2));
  HttpResponse response = error_response(503, "too many connections");
  response.headers.add("retry-after", "1");
  const std::string text = net::response_head(response, {}, net::BodyKind::sized) + response.body;
  error_code ec;
  co_await asio::async_write(stream, asio::buffer(text), into(ec));
  co_await linger(stream);
}

asio::awaitable<void> HttpServer::Impl::run_plain(tcp::socket socket) {
  HttpRequest origin = origin_of(socket, false);
  beast::tcp_stream stream(std::move(socket));
  co_await serve(stream, std::make_shared<Connection>(stream), std::move(origin));
}

asio::awaitable<void> HttpServer::Impl::run_secure(tcp::socket socket) {
  HttpRequest origin = origin_of(socket, true);
  const auto context = [&] {
    const std::lock_guard lock(mutex);
    return tls;
  }();
  beast::ssl_stream<beast::tcp_stream> stream(beast::tcp_stream(std::move(socket)), *context);
  auto& lowest = beast::get_lowest_layer(stream);
  error_code ec;
  lowest.expires_after(chrono_of(settings.bounds.header_timeout));
  co_await stream.async_handshake(asio::ssl::stream_base::server, into(ec));
  if (ec) co_return;
  origin.client_name = net::peer_common_name(stream.native_handle());
  co_await serve(stream, std::make_shared<Connection>(lowest), std::move(origin));
  lowest.expires_after(std::chrono::seconds(2));
  co_await stream.async_shutdown(into(ec));
}

template <class Stream>
asio::awaitable<void> HttpServer::Impl::serve(Stream& stream, std::shared_ptr<Connection> connection,
                                              HttpRequest origin) {
  struct Registration {
    Registration(Impl& i, std::shared_ptr<Connection> c) : impl(i), connection(std::move(c)) {
      const std::lock_guard lock(impl.mutex);
      impl.open.insert(connection);
    }
    ~Registration() {
      connection->socket = nullptr;
      const std::lock_guard lock(impl.mutex);
      impl.open.erase(connection);
    }
    Impl& impl;
    std::shared_ptr<Connection> connection;
  } registration(*this, connection);
  const HttpBounds& bounds = settings.bounds;
  auto& lowest = beast::get_lowest_layer(stream);
  beast::flat_buffer buffer(static_cast<std::size_t>(bounds.max_header_bytes) + kReadAhead);
  error_code ec;
  for (bool keep_alive = true; keep_alive;) {
    connection->idle = true;
    connection->idle_since = SteadyClock::now();
    if (buffer.size() == 0) {
      lowest.expires_after(chrono_of(bounds.idle_timeout));
      const std::size_t n = co_await stream.async_read_some(buffer.prepare(16 * 1024), into(ec));
      if (ec) co_return;
      buffer.commit(n);
    }
    connection->idle = false;
    const Counted request_under_way(in_flight);
    net::RequestParser parser;
    net::configure(parser, bounds);
    lowest.expires_after(chrono_of(bounds.header_timeout));
    co_await http::async_read_header(stream, buffer, parser, into(ec));
    if (!ec) {
      if (const int status = net::framing_fault(parser); status != 0)
        co_return co_await refuse_request(stream, status, net::framing_text(status));
    }
    Counted held(pending_bytes, 0);
    HttpRequest request = origin;
    bool whole = true;
    if (!ec && !parser.is_done()) {
      if (settings.without_body) {
        HttpRequest header = origin;
        net::take_header(parser, header);
        whole = !settings.without_body(header);
      }
      if (whole) {
        if (const int status = co_await read_body(stream, buffer, parser, held, ec); status != 0)
          co_return co_await refuse_request(stream, status, "too many request bodies are under way: try again later");
      }
    }
    if (ec) {
      if (const int status = net::refusal_of(ec); status != 0)
        co_await refuse_request(stream, status, net::refusal_text(status));
      co_return;
    }
    net::take_message(parser, request);
    lowest.expires_never();
    keep_alive = co_await answer(stream, *connection, std::move(request),
                                 {whole && parser.get().keep_alive(), parser.get().version() < 11});
    if (!whole) co_return co_await linger(lowest);
  }
  lowest.expires_after(std::chrono::seconds(2));
}

// Reads the body and counts it in `held` as it comes. Gives the status that refuses it, 0 for none.
template <class Stream>
asio::awaitable<int> HttpServer::Impl::read_body(Stream& stream, beast::flat_buffer& buffer, net::RequestParser& parser,
                                                 Counted& held, error_code& ec) {
  if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    co_await asio::async_write(stream, asio::buffer(kContinue.data(), kContinue.size()), into(ec));
  }
  beast::get_lowest_layer(stream).expires_after(chrono_of(settings.bounds.body_timeout));
  for (std::int64_t known = 0; !ec && !parser.is_done();) {
    co_await http::async_read_some(stream, buffer, parser, into(ec));
    const auto now = static_cast<std::int64_t>(parser.get().body().size());
    held.add(now - known);
    known = now;
    if (pending_bytes > settings.bounds.max_pending_bytes) co_return 429;
  }
  co_return 0;
}

template <class Stream>
asio::awaitable<void> HttpServer::Impl::refuse_request(Stream& stream, int status, std::string_view why) {
  if (settings.on_refused) settings.on_refused(status);
  HttpResponse response = error_response(status, why);
  if (status == 429) response.headers.add("retry-after", "1");
  const std::string text = net::response_head(response, {}, net::BodyKind::sized) + response.body;
  auto& lowest = beast::get_lowest_layer(stream);
  lowest.expires_after(chrono_of(settings.bounds.write_timeout));
  error_code ec;
  co_await asio::async_write(stream, asio::buffer(text), into(ec));
  if (!ec) co_await linger(lowest);
}

// Waits for the handler's answer and writes it; whether the connection goes on.
template <class Stream>
asio::awaitable<bool> HttpServer::Impl::answer(Stream& stream, Connection& connection, HttpRequest request,
                                               net::Persistence persist) {
  const bool head_only = request.method == "HEAD";
  Waiter waiter(stream.get_executor());
  const auto& pending = waiter.pending;
  try {
    handler(std::move(request), Reply(pending));
  } catch (const std::exception& e) {
    log_error("a request failed: {}", e.what());  // the reply that was let go answers 500
  }
  error_code ec;
  while (!pending->response) co_await waiter.timer.async_wait(into(ec));
  HttpResponse& response = *pending->response;
  persist.keep_alive = persist.keep_alive && !draining;
  const auto kind = response.stream ? net::BodyKind::chunked : net::BodyKind::sized;
  const std::string head = net::response_head(response, persist, kind);
  const std::string_view body = head_only ? std::string_view() : std::string_view(response.body);
  const std::array<asio::const_buffer, 2> parts{asio::buffer(head), asio::buffer(body.data(), body.size())};
  auto& lowest = beast::get_lowest_layer(stream);
  lowest.expires_after(chrono_of(settings.bounds.write_timeout));
  co_await asio::async_write(stream, parts, into(ec));
  if (ec) {
    if (response.stream) response.stream->set_client_gone();
    co_return false;
  }
  if (response.stream) {
    connection.streaming = pending;
    co_await write_stream(stream, waiter);
    connection.streaming = nullptr;
    co_return false;
  }
  co_return persist.keep_alive;
}

template <class Stream>
asio::awaitable<void> HttpServer::Impl::write_stream(Stream& stream, Waiter& waiter) {
  Pending& pending = *waiter.pending;
  BodyStream& body = *pending.response->stream;
  body.attach([weak = pending.weak_from_this()] {
    if (const auto self = weak.lock()) self->wake();
  });
  error_code ec;
  for (bool closed = false; !closed && !ec;) {
    pending.woken = false;
    std::string text;
    for (const std::string& chunk : body.take(closed)) {
      char size[24];
      std::snprintf(size, sizeof size, "%zx\r\n", chunk.size());
      text.append(size).append(chunk).append("\r\n");
    }
    closed = closed || draining;
    if (closed) text += "0\r\n\r\n";
    beast::get_lowest_layer(stream).expires_after(chrono_of(settings.bounds.write_timeout));
    if (!text.empty()) co_await asio::async_write(stream, asio::buffer(text), into(ec));
    beast::get_lowest_layer(stream).expires_never();
    error_code woken;
    while (!pending.woken && !closed && !ec) co_await waiter.timer.async_wait(into(woken));
  }
  body.set_client_gone();
}

void HttpServer::Impl::close_idle(Duration grace) {
  const std::lock_guard lock(mutex);
  for (const auto& connection : open) {
    asio::post(connection->executor, [connection, grace] {
      if (connection->streaming) connection->streaming->wake();
      if (!connection->socket || !connection->idle || SteadyClock::now() - connection->idle_since < chrono_of(grace))
        return;
      error_code ec;
      if (connection->socket->socket().available(ec) == 0) connection->socket->cancel();
    });
  }
}

HttpServer::HttpServer(HttpServerSettings settings, HttpHandler handler)
    : impl_(std::make_unique<Impl>(std::move(settings), std::move(handler))) {
  if (impl_->settings.tls.enabled()) impl_->tls = net::server_context(impl_->settings.tls);
  net::listen_on(impl_->acceptor, impl_->settings.host, impl_->settings.port);
  error_code ec;
  impl_->port = impl_->acceptor.local_endpoint(ec).port();
}

void HttpServer::start() {
  const auto accepting = impl_->acceptor.get_executor();
  asio::post(accepting, [this, accepting] { asio::co_spawn(accepting, impl_->accept_loop(), asio::detached); });
  impl_->loops.run();
}

void HttpServer::reload_tls() {
  if (!impl_->settings.tls.enabled()) return;
  std::shared_ptr<asio::ssl::context> fresh = net::server_context(impl_->settings.tls);
  const std::lock_guard lock(impl_->mutex);
  impl_->tls = std::move(fresh);
}

int HttpServer::port() const { return impl_->port; }

std::int64_t HttpServer::connections() const { return impl_->connections; }

std::int64_t HttpServer::drain(Duration grace, Duration timeout) {
  using std::chrono::milliseconds;
  const auto deadline = SteadyClock::now() + chrono_of(timeout);
  impl_->draining = true;
  std::this_thread::sleep_for(std::min(chrono_of(grace), chrono_of(timeout)));
  net::drop_new_handshakes(impl_->acceptor.native_handle());
  std::this_thread::sleep_for(milliseconds(20));  // handshakes under way end and are accepted
  asio::post(impl_->acceptor.get_executor(), [impl = impl_.get()] {
    impl->listening = false;
    error_code ec;
    impl->acceptor.non_blocking(true, ec);
    while (!ec) {
      tcp::socket socket(impl->loops.next());
      impl->acceptor.accept(socket, ec);
      if (!ec) impl->admit(std::move(socket));
    }
    impl->acceptor.close(ec);
  });
  while (impl_->connections > 0 && SteadyClock::now() < deadline) {
    impl_->close_idle(grace);
    std::this_thread::sleep_for(milliseconds(5));
  }
  return impl_->in_flight;
}

HttpServer::~HttpServer() { impl_->loops.stop(); }

}  // namespace anomctl
