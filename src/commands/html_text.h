// Text between the tags of a page. Thread rule: a pure function.
#pragma once

#include <string>

namespace anomctl {

inline std::string html_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

}  // namespace anomctl
