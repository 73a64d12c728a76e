// From Beast's parser to our request. Private to the files that open Beast. Thread rule: free functions.
#pragma once

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <string_view>

#include "anomctl/io/net/http_server.h"

namespace anomctl::net {

using RequestParser = boost::beast::http::request_parser<boost::beast::http::string_body>;

void configure(RequestParser& parser, const HttpBounds& bounds);
// The status that answers a request which cannot be read; 0: the connection is just closed.
int refusal_of(const boost::system::error_code& ec);
std::string_view refusal_text(int status);
// What the header makes of the message's frame: 0 where it is clear, else the status that refuses it. A request whose
// length two readers could take differently must not pass (RFC 9112, 3.2 and 6.3): a proxy before us may be the other.
int framing_fault(const RequestParser& parser);
std::string_view framing_text(int status);
// Copies the header, and moves what is there of the body, into `request`.
void take_header(const RequestParser& parser, HttpRequest& request);
void take_message(RequestParser& parser, HttpRequest& request);

}  // namespace anomctl::net
