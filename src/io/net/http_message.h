// The head of an answer as text. Thread rule: pure functions.
#pragma once

#include <string>

#include "anomctl/io/net/http.h"

namespace anomctl::net {

struct Persistence {
  bool keep_alive = false;
  bool must_be_said = false;  // HTTP/1.0, where it is not the default
};
enum class BodyKind { sized, chunked };

// Status line and header fields up to the empty line. Control characters inside values are left out (RFC 9110, 5.5), so that no
// value can add a field.
std::string response_head(const HttpResponse& response, Persistence persist, BodyKind kind);

}  // namespace anomctl::net
