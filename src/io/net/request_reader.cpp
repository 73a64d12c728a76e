#include "io/net/request_reader.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>

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

void take_message(RequestParser& parser, HttpRequest& request) {
  auto& message = parser.get();
  request.method = message.method_string();
  request.target = message.target();
  const std::size_t question = request.target.find('?');
  request.path = request.target.substr(0, question);
  request.query = question == std::string::npos ? std::string() : request.target.substr(question + 1);
  for (const auto& field : message) request.headers.add(field.name_string(), field.value());
  request.body = std::move(message.body());
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
  if (ec || !parser.is_done()) return std::nullopt;
  HttpRequest request;
  net::take_message(parser, request);
  return request;
}

}  // namespace anomctl
