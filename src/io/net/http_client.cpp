// The only file of the client with Beast in it (it takes long to compile).
#include "anomctl/io/net/http_client.h"

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/http/file_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <optional>
#include <type_traits>

#include "anomctl/core/error.h"
#include "io/net/tls_context.h"

namespace anomctl {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {
std::chrono::nanoseconds chrono_of(Duration d) { return std::chrono::nanoseconds(d.ns); }
auto into(error_code& ec) { return asio::redirect_error(asio::use_awaitable, ec); }
using TlsStream = beast::ssl_stream<beast::tcp_stream>;
template <class Body>
using Message = http::request<Body>;
}  // namespace

struct HttpClient::Impl {
  HttpUrl url;
  HttpClientSettings settings;
  std::unique_ptr<asio::ssl::context> context;
  asio::io_context io;
  // One of the two, while connected.
  std::optional<beast::tcp_stream> plain;
  std::optional<TlsStream> secure;
  beast::flat_buffer buffer;
  asio::cancellation_signal cancellation;  // emitted on the thread that runs `io`
  std::atomic<bool> cancelled = false;

  beast::tcp_stream* connecting = nullptr;

  bool connected() const { return plain || secure; }
  // On the thread that runs `io`. The signal ends what is between two reads; what waits for a peer that says nothing
  // ends with its socket's operations.
  void stop_now() {
    cancellation.emit(asio::cancellation_type::terminal);
    for (beast::tcp_stream* stream :
         {connecting, plain ? &*plain : nullptr, secure ? &beast::get_lowest_layer(*secure) : nullptr})
      if (stream != nullptr) stream->cancel();
  }
  void disconnect() {
    connecting = nullptr;
    plain.reset();
    secure.reset();
    buffer.clear();
  }
  std::string where() const { return url.host + ":" + std::to_string(url.port); }
  template <class T>
  T run(asio::awaitable<T> work);
  asio::awaitable<error_code> connect();
  Message<http::string_body> message_of(const HttpRequest& request, const Headers& headers) const;
  template <class Stream, class Body>
  asio::awaitable<error_code> write(Stream& stream, Message<Body>& message);
  template <class Stream>
  asio::awaitable<error_code> read(Stream& stream, bool head, const HttpFiles* files, HttpResponse& response,
                                   bool& keep_alive);
  template <class Stream, class Body>
  asio::awaitable<error_code> exchange(Stream& stream, Message<Body>& message, const HttpFiles* files,
                                       HttpResponse& response, bool& keep_alive);
  error_code attempt(Message<http::string_body>& message, const HttpFiles* files, HttpResponse& response);
  template <class Body>
  error_code attempt_with(Message<Body>& message, const HttpFiles* files, HttpResponse& response);
};

// Runs one coroutine to its end on this thread.
template <class T>
T HttpClient::Impl::run(asio::awaitable<T> work) {
  std::optional<T> result;
  std::exception_ptr failure;
  asio::co_spawn(io, std::move(work),
                 asio::bind_cancellation_slot(cancellation.slot(), [&](std::exception_ptr e, T value) {
                   failure = e;
                   result = std::move(value);
                 }));
  io.restart();
  if (cancelled) asio::post(io, [this] { stop_now(); });
  io.run();
  if (failure) std::rethrow_exception(failure);
  return std::move(*result);
}

asio::awaitable<error_code> HttpClient::Impl::connect() {
  error_code ec;
  tcp::resolver resolver(io);
  const auto endpoints = co_await resolver.async_resolve(url.host, std::to_string(url.port), into(ec));
  if (ec) co_return ec;
  beast::tcp_stream stream(io);
  stream.expires_after(chrono_of(settings.connect_timeout));
  connecting = &stream;
  co_await stream.async_connect(endpoints, into(ec));
  connecting = nullptr;
  if (ec) co_return ec;
  stream.socket().set_option(tcp::no_delay(true), ec);
  if (!url.tls) {
    plain.emplace(std::move(stream));
    co_return error_code();
  }
  secure.emplace(std::move(stream), *context);
  SSL_set_tlsext_host_name(secure->native_handle(), url.host.c_str());
  secure->set_verify_callback(asio::ssl::host_name_verification(url.host), ec);
  co_await secure->async_handshake(asio::ssl::stream_base::client, into(ec));
  if (ec) secure.reset();
  co_return ec;
}

// A file goes out in pieces, each with the whole timeout.
template <class Stream, class Body>
asio::awaitable<error_code> HttpClient::Impl::write(Stream& stream, Message<Body>& message) {
  error_code ec;
  http::request_serializer<Body> serializer(message);
  while (!serializer.is_done() && !ec) {
    if (std::is_same_v<Body, http::file_body>)
      beast::get_lowest_layer(stream).expires_after(chrono_of(settings.timeout));
    co_await http::async_write_some(stream, serializer, into(ec));
  }
  co_return ec;
}

template <class Stream>
asio::awaitable<error_code> HttpClient::Impl::read(Stream& stream, bool head, const HttpFiles* files,
                                                   HttpResponse& response, bool& keep_alive) {
  error_code ec;
  http::response_parser<http::empty_body> header;
  header.body_limit(settings.max_body_bytes);
  header.skip(head);
  co_await http::async_read_header(stream, buffer, header, into(ec));
  if (ec) co_return ec;
  const auto& answer = header.get();
  response.status = static_cast<int>(answer.result_int());
  for (const auto& field : answer) response.headers.add(std::string(field.name_string()), std::string(field.value()));
  if (files != nullptr && !files->download.empty() && response.status / 100 == 2) {
    http::response_parser<http::file_body> parser(std::move(header));
    parser.body_limit(files->max_download_bytes);
    parser.get().body().open(files->download.c_str(), beast::file_mode::write, ec);
    if (ec) throw failed("cannot write " + files->download.string() + ": " + ec.message());
    while (!parser.is_done() && !ec) {
      beast::get_lowest_layer(stream).expires_after(chrono_of(settings.timeout));
      co_await http::async_read_some(stream, buffer, parser, into(ec));
    }
    keep_alive = parser.keep_alive();
    co_return ec;
  }
  http::response_parser<http::string_body> parser(std::move(header));
  co_await http::async_read(stream, buffer, parser, into(ec));
  if (ec) co_return ec;
  response.body = std::move(parser.get().body());
  keep_alive = parser.keep_alive();
  co_return error_code();
}

template <class Stream, class Body>
asio::awaitable<error_code> HttpClient::Impl::exchange(Stream& stream, Message<Body>& message, const HttpFiles* files,
                                                       HttpResponse& response, bool& keep_alive) {
  beast::get_lowest_layer(stream).expires_after(chrono_of(settings.timeout));
  error_code ec = co_await write(stream, message);
  if (!ec) ec = co_await read(stream, message.method() == http::verb::head, files, response, keep_alive);
  if (!ec) beast::get_lowest_layer(stream).expires_never();
  co_return ec;
}

template <class Body>
error_code HttpClient::Impl::attempt_with(Message<Body>& message, const HttpFiles* files, HttpResponse& response) {
  bool keep_alive = false;
  response = {};
  error_code ec;
  try {
    ec = secure ? run(exchange(*secure, message, files, response, keep_alive))
                : run(exchange(*plain, message, files, response, keep_alive));
  } catch (...) {
    disconnect();
    throw;
  }
  if (ec || !keep_alive) disconnect();
  return ec;
}

error_code HttpClient::Impl::attempt(Message<http::string_body>& message, const HttpFiles* files,
                                     HttpResponse& response) {
  if (files == nullptr || files->upload.empty()) return attempt_with(message, files, response);
  Message<http::file_body> with_file(message.base());
  error_code ec;
  with_file.body().open(files->upload.c_str(), beast::file_mode::scan, ec);
  if (ec) throw failed("cannot read " + files->upload.string() + ": " + ec.message());
  with_file.prepare_payload();
  return attempt_with(with_file, files, response);
}

HttpClient::HttpClient(const std::string& base_url, HttpClientSettings settings) : impl_(std::make_unique<Impl>()) {
  impl_->url = parse_http_url(base_url);
  impl_->settings = std::move(settings);
  if (impl_->url.tls)
    impl_->context = net::client_context(impl_->settings.ca_file, impl_->settings.cert_file, impl_->settings.key_file);
}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;

Message<http::string_body> HttpClient::Impl::message_of(const HttpRequest& request, const Headers& always) const {
  Message<http::string_body> message;
  message.version(11);
  message.method_string(request.method);
  message.target(url.path + request.target);
  message.set(http::field::host, where());
  message.set(http::field::user_agent, "anomctl");
  for (const auto& [name, value] : always.items()) message.set(name, value);
  for (const auto& [name, value] : request.headers.items()) message.set(name, value);
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

HttpResponse HttpClient::run(const HttpRequest& request, const HttpFiles* files) {
  auto message = impl_->message_of(request, headers);
  const auto unreachable = [&](const error_code& ec) {
    return unreachable_error((impl_->url.tls ? "https://" : "http://") + impl_->where() +
                             " cannot be reached: " + ec.message());
  };
  HttpResponse response;
  try {
    if (impl_->connected()) {
      const error_code ec = impl_->attempt(message, files, response);
      if (!ec) return response;
      // The server may close a connection at rest at any time; then the request never reached it.
      const bool closed = ec == http::error::end_of_stream || ec == asio::error::connection_reset ||
                          ec == asio::error::broken_pipe || ec == asio::error::eof ||
                          ec == asio::ssl::error::stream_truncated;
      if (!closed) throw unreachable(ec);
    }
    if (const error_code ec = impl_->run(impl_->connect())) {
      impl_->disconnect();
      throw unreachable(ec);
    }
    if (const error_code ec = impl_->attempt(message, files, response)) throw unreachable(ec);
  } catch (const boost::system::system_error& cancelled) {
    impl_->disconnect();
    throw unreachable(cancelled.code());
  }
  return response;
}

HttpResponse HttpClient::send(const HttpRequest& request) { return run(request, nullptr); }
HttpResponse HttpClient::transfer(const HttpRequest& request, const HttpFiles& files) { return run(request, &files); }

void HttpClient::cancel() {
  impl_->cancelled = true;
  asio::post(impl_->io, [impl = impl_.get()] { impl->stop_now(); });
}

HttpResponse HttpClient::get(const std::string& target) {
  HttpRequest request;
  request.method = "GET";
  request.target = target;
  return send(request);
}

HttpResponse HttpClient::post(const std::string& target, std::string body, const std::string& content_type) {
  HttpRequest request;
  request.method = "POST";
  request.target = target;
  request.headers.add("content-type", content_type);
  request.body = std::move(body);
  return send(request);
}

}  // namespace anomctl
