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
// Moves the parsed message into `request`.
void take_message(RequestParser& parser, HttpRequest& request);

}  // namespace anomctl::net
