// The only file of the client with Beast in it (it takes long to compile).
#include "anomctl/io/net/http_client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <optional>

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
using Message = http::request<http::string_body>;
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

  bool connected() const { return plain || secure; }
  void disconnect() {
    plain.reset();
    secure.reset();
    buffer.clear();
  }
  std::string where() const { return url.host + ":" + std::to_string(url.port); }
  template <class T>
  T run(asio::awaitable<T> work);
  asio::awaitable<error_code> connect();
  template <class Stream>
  asio::awaitable<error_code> exchange(Stream& stream, const Message& message, HttpResponse& response,
                                       bool& keep_alive);
  error_code attempt(const Message& message, HttpResponse& response);
};

// Runs one coroutine to its end on this thread.
template <class T>
T HttpClient::Impl::run(asio::awaitable<T> work) {
  std::optional<T> result;
  std::exception_ptr failure;
  asio::co_spawn(io, std::move(work), [&](std::exception_ptr e, T value) {
    failure = e;
    result = std::move(value);
  });
  io.restart();
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
  co_await stream.async_connect(endpoints, into(ec));
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

template <class Stream>
asio::awaitable<error_code> HttpClient::Impl::exchange(Stream& stream, const Message& message, HttpResponse& response,
                                                       bool& keep_alive) {
  error_code ec;
  beast::get_lowest_layer(stream).expires_after(chrono_of(settings.timeout));
  co_await http::async_write(stream, message, into(ec));
  if (ec) co_return ec;
  http::response_parser<http::string_body> parser;
  parser.body_limit(settings.max_body_bytes);
  parser.skip(message.method() == http::verb::head);
  co_await http::async_read(stream, buffer, parser, into(ec));
  if (ec) co_return ec;
  auto& answer = parser.get();
  response.status = static_cast<int>(answer.result_int());
  for (const auto& field : answer) response.headers.add(std::string(field.name_string()), std::string(field.value()));
  response.body = std::move(answer.body());
  keep_alive = parser.keep_alive();
  beast::get_lowest_layer(stream).expires_never();
  co_return error_code();
}

error_code HttpClient::Impl::attempt(const Message& message, HttpResponse& response) {
  bool keep_alive = false;
  response = {};
  const error_code ec = secure ? run(exchange(*secure, message, response, keep_alive))
                               : run(exchange(*plain, message, response, keep_alive));
  if (ec || !keep_alive) disconnect();
  return ec;
}

HttpClient::HttpClient(const std::string& base_url, HttpClientSettings settings) : impl_(std::make_unique<Impl>()) {
  impl_->url = parse_http_url(base_url);
  impl_->settings = std::move(settings);
  if (impl_->url.tls)
    impl_->context = net::client_context(impl_->settings.ca_file, impl_->settings.cert_file, impl_->settings.key_file);
}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;

HttpResponse HttpClient::send(const HttpRequest& request) {
  Message message;
  message.version(11);
  message.method_string(request.method);
  message.target(impl_->url.path + request.target);
  message.set(http::field::host, impl_->where());
  message.set(http::field::user_agent, "anomctl");
  for (const auto& [name, value] : headers.items()) message.set(name, value);
  for (const auto& [name, value] : request.headers.items()) message.set(name, value);
  message.body() = request.body;
  message.prepare_payload();

  const auto unreachable = [&](const error_code& ec) {
    return unreachable_error((impl_->url.tls ? "https://" : "http://") + impl_->where() +
                             " cannot be reached: " + ec.message());
  };
  HttpResponse response;
  if (impl_->connected()) {
    const error_code ec = impl_->attempt(message, response);
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
  if (const error_code ec = impl_->attempt(message, response)) throw unreachable(ec);
  return response;
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
