// "NAME=REST" as a setting gives it. Private to serve. Thread rule: a free function.
#pragma once

#include <string>
#include <utility>

namespace anomctl::serve {

// A '=' may also stand in a path: what is before it is a name only where it holds no '/'. {"", text} without a name.
inline std::pair<std::string, std::string> split_name(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || text.substr(0, equals).find('/') != std::string::npos) return {"", text};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace anomctl::serve
