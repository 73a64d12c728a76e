#include "data/column_names.h"

#include <fmt/core.h>

#include <algorithm>

#include "anomctl/core/config.h"
#include "anomctl/core/error.h"

namespace anomctl {
std::string plain_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z')
      out += static_cast<char>(c + 32);
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 128)
      out += c;
  }
  return out;
}

std::string list_names(const std::vector<std::string>& names, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > most) out += fmt::format(" and {} more", names.size() - most);
  return out;
}

std::size_t column_index(const std::vector<std::string>& columns, std::string_view name, std::string_view what) {
  const auto found = std::find(columns.begin(), columns.end(), name);
  if (found != columns.end()) return static_cast<std::size_t>(found - columns.begin());
  std::string hint = columns.empty() ? "" : "; there are " + list_names(columns);
  if (const auto close = nearest(name, columns)) hint = fmt::format(": did you mean '{}'?", *close);
  throw UsageError(fmt::format("{}: no column '{}'{}", what, name, hint));
}

}  // namespace anomctl
