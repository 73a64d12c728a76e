// A request head from anywhere, and what we make of its path and query.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "anomctl/io/net/http_server.h"
#include "io/net/http_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anomctl;
  HttpBounds bounds;
  bounds.max_header_bytes = 4096;
  bounds.max_body_bytes = 4096;
  int status = 0;
  const auto request = parse_http_request({reinterpret_cast<const char*>(data), size}, bounds, status);
  if (!request) return 0;
  if (request->body.size() > 4096) std::abort();
  if (const auto segments = path_segments(request->path))
    for (const std::string& segment : *segments)
      if (percent_decode(percent_encode(segment)) != segment) std::abort();
  (void)query_value(request->query, "a");
  // No header of the client can break the lines of an answer that repeats it.
  HttpResponse response;
  for (const auto& [name, value] : request->headers.items()) response.headers.add("x", value);
  const std::string head = net::response_head(response, {true, false}, net::BodyKind::sized);
  if (head.find("\r\n\r\n") != head.size() - 4) std::abort();
  return 0;
}
