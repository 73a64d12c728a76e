#include "io/net/http_message.h"

namespace anomctl::net {

namespace {
void append_clean(std::string& out, std::string_view text) {
  for (const char c : text)
    if (c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f)) out += c;
}
}  // namespace

std::string response_head(const HttpResponse& response, Persistence persist, BodyKind kind) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " ";
  head += http_reason(response.status);
  head += "\r\nserver: anomctl\r\n";
  for (const auto& [name, value] : response.headers.items()) {
    append_clean(head, name);
    head += ": ";
    append_clean(head, value);
    head += "\r\n";
  }
  if (!persist.keep_alive)
    head += "connection: close\r\n";
  else if (persist.must_be_said)
    head += "connection: keep-alive\r\n";
  if (kind == BodyKind::chunked)
    head += "transfer-encoding: chunked\r\n\r\n";
  else if (response.status == 204 || response.status == 304)
    head += "\r\n";
  else
    head += "content-length: " + std::to_string(response.body.size()) + "\r\n\r\n";
  return head;
}

}  // namespace anomctl::net
