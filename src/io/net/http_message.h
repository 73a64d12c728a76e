// The head of an answer as text. Thread rule: pure functions.
#pragma once

#include <string>

#include "anomctl/io/net/http.h"

namespace anomctl::net {

enum class BodyKind { sized, chunked };

// Status line and header fields up to the empty line. Line breaks inside values are left out, so that no value can add
// a field.
std::string response_head(const HttpResponse& response, bool keep_alive, BodyKind kind);

}  // namespace anomctl::net
