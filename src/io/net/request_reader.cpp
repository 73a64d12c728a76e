#include "io/net/request_reader.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <iterator>

namespace anomctl {

namespace net {

namespace http = boost::beast::http;

void configure(RequestParser& parser, const HttpBounds& bounds) {
  parser.header_limit(static_cast<std::uint32_t>(bounds.max_header_bytes));
  parser.body_limit(static_cast<std::uint64_t>(bounds.max_body_bytes));
}

int refusal_of(const boost::system::error_code& ec) {
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow) return 431;
  if (ec == http::error::body_limit) return 413;
  if (ec == http::error::end_of_stream || ec == http::error::partial_message) return 0;
  if (ec.category() == make_error_code(http::error::bad_method).category()) return 400;
  return 0;
}

std::string_view refusal_text(int status) {
  if (status == 431) return "the request header is larger than max_header_bytes";
  if (status == 413) return "the request body is larger than max_body_bytes";
  return "not a valid HTTP/1.1 request";
}

int framing_fault(const RequestParser& parser) {
  const auto& message = parser.get();
  const auto count = [&](http::field name) {
    const auto range = message.equal_range(name);
    return std::distance(range.first, range.second);
  };
  if (const auto codings = count(http::field::transfer_encoding); codings > 0) {
    if (message.version() < 11 || codings > 1) return 400;
    if (!boost::beast::iequals(message[http::field::transfer_encoding], "chunked")) return 501;
    if (count(http::field::content_length) > 0) return 400;
  }
  const auto hosts = count(http::field::host);
  return hosts > 1 || (hosts == 0 && message.version() >= 11) ? 400 : 0;
}

std::string_view framing_text(int status) {
  return status == 501 ? "the only transfer-encoding that is understood is chunked"
                       : "the header needs one Host, and not more than one length of the body";
}

void take_header(const RequestParser& parser, HttpRequest& request) {
  const auto& message = parser.get();
  request.method = message.method_string();
  request.target = message.target();
  std::string_view target = request.target;
  // The absolute form, which a server must take (RFC 9112, 3.2.2): "http://host/path".
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const std::size_t slash = target.find('/', scheme.size());
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    break;
  }
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  request.query = question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  for (const auto& field : message) request.headers.add(field.name_string(), field.value());
}

void take_message(RequestParser& parser, HttpRequest& request) {
  take_header(parser, request);
  request.body = std::move(parser.get().body());
}

}  // namespace net

std::optional<HttpRequest> parse_http_request(std::string_view bytes, const HttpBounds& bounds, int& status) {
  net::RequestParser parser;
  net::configure(parser, bounds);
  parser.eager(true);
  boost::system::error_code ec;
  parser.put(boost::asio::buffer(bytes.data(), bytes.size()), ec);
  if (!ec) parser.put_eof(ec);
  status = ec ? net::refusal_of(ec) : 0;
  if (status == 0 && parser.is_header_done()) status = net::framing_fault(parser);
  if (ec || status != 0 || !parser.is_done()) return std::nullopt;
  HttpRequest request;
  net::take_message(parser, request);
  return request;
}

}  // namespace anomctl
