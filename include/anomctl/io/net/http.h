// HTTP messages as plain values, the same for our server and our client. Thread rule: values.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anomctl {

// Header fields in the order they came; names compare without regard to case.
class Headers {
 public:
  void add(std::string name, std::string value) { items_.emplace_back(std::move(name), std::move(value)); }
  // Replaces all fields of that name.
  void set(std::string_view name, std::string value);
  const std::string* find(std::string_view name) const;
  // The first value, or an empty text.
  std::string_view get(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

struct HttpRequest {
  std::string method;  // "GET"
  std::string target;  // as sent: "/v2/models/a%20b?x=1"
  std::string path;    // the part before '?', still escaped
  std::string query;   // after '?', still escaped
  Headers headers;
  std::string body;
  std::string peer;         // address of the client, "127.0.0.1"
  std::string client_name;  // common name of the client's certificate (mutual TLS), else empty
  bool tls = false;
};

class BodyStream;

struct HttpResponse {
  int status = 200;
  Headers headers;  // without Content-Length, Connection and Date: the server writes them
  std::string body;
  std::shared_ptr<BodyStream> stream;  // set: the body is what the stream brings, chunk by chunk (server-sent events)
};

std::string_view http_reason(int status);
bool equal_ignoring_case(std::string_view a, std::string_view b);
// "%41%20" -> "A "; nothing for a broken escape or one that holds a zero byte.
std::optional<std::string> percent_decode(std::string_view text);
// Everything but letters, digits and "-._~" escaped.
std::string percent_encode(std::string_view text);
// "/v2/models/a%20b" -> {"v2", "models", "a b"}; nothing where an escape is broken or the bytes are no UTF-8. A trailing
// '/' gives a last empty segment.
std::optional<std::vector<std::string>> path_segments(std::string_view path);
// The value of `name` in "a=1&b=2", unescaped.
std::optional<std::string> query_value(std::string_view query, std::string_view name);
// "localhost" or an address that only this machine reaches. A name that looks like one ("127.example.org") is none.
bool is_loopback(std::string_view host);
// A host as it stands in a URL: an IPv6 address in brackets.
std::string host_in_url(const std::string& host);
// Whether a browser says that a page of another origin than this server's asks.
bool from_foreign_page(const HttpRequest& request);
// {"error": message} with the status.
HttpResponse error_response(int status, std::string_view message);
HttpResponse json_response(int status, std::string body);

}  // namespace anomctl
