#include "anomctl/io/influx/flux.h"

#include <fmt/core.h>

namespace anomctl {

std::string flux_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '$' || byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string flux_query(const FluxSelection& selection, Nanoseconds start, Nanoseconds stop) {
  std::string query = fmt::format("from(bucket: {}) |> range(start: {}, stop: {})", flux_string(selection.bucket),
                                  format_stamp(start), format_stamp(stop));
  const auto filter = [&](const std::string& condition) {
    query += fmt::format(" |> filter(fn: (r) => {})", condition);
  };
  std::string any;
  for (const std::string& measurement : selection.measurements)
    any += (any.empty() ? "" : " or ") + fmt::format("r._measurement == {}", flux_string(measurement));
  if (!any.empty()) filter(any);
  if (!selection.field.empty()) filter(fmt::format("r._field == {}", flux_string(selection.field)));
  for (const auto& [key, value] : selection.tags)
    filter(fmt::format("r[{}] == {}", flux_string(key), flux_string(value)));
  return query;
}

}  // namespace anomctl
