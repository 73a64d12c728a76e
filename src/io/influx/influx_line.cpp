#include <cmath>

#include "anomctl/io/influx/line_writer.h"

namespace anomctl {
namespace {

// Names and tag values: a backslash before what would end them; there is none for a line's end, nor for a backslash
// that would itself hide the end.
std::string escaped_name(const std::string& text, const char* special) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      out += "\\ ";
      continue;
    }
    if (std::string_view(special).find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  if (!out.empty() && out.back() == '\\') out.back() = '/';
  return out;
}

std::string quoted_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

std::string influx_line(const std::string& measurement, const InfluxTags& tags, const Json& fields, Nanoseconds time) {
  std::string line = escaped_name(measurement, ", ");
  for (const auto& [name, value] : tags)
    if (!value.empty()) line += "," + escaped_name(name, ",= ") + "=" + escaped_name(value, ",= ");
  char between = ' ';
  for (const auto& [name, value] : fields.as_object()) {
    std::string text;
    if (value.is_number() && std::isfinite(value.as_double()))
      text = shortest(value.as_double());
    else if (value.is_bool())
      text = value.as_bool() ? "true" : "false";
    else if (value.is_string())
      text = quoted_text(value.as_string());
    if (text.empty() || name.empty()) continue;
    line += between + escaped_name(name, ",= ") + "=" + text;
    between = ',';
  }
  if (between == ' ') return {};
  return line + " " + std::to_string(time);
}

}  // namespace anomctl
