#include <fmt/core.h>
// An assertion of toml++ 3 does not hold for some wrong text, which its parser then refuses in order.
#define TOML_ASSERT(condition) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>
#include <cstdint>

#include "anomctl/core/config.h"
#include "anomctl/core/error.h"
#include "anomctl/core/json.h"

namespace anomctl {
namespace {

// toml++ 3 has undefined behaviour for some characters that are not ASCII where there should be none, so it is never
// shown any: each of their bytes goes in as ~ and two digits, as does ~ itself, and comes back in names and texts. TOML
// allows them in strings and comments only, where any ASCII may stand; elsewhere ~ is refused as they are.
constexpr char kMark = '~';
constexpr std::string_view kDigits = "0123456789ABCDEF";

bool is_text(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    const auto first = static_cast<unsigned char>(bytes[i]);
    const std::size_t n = first < 0x80                    ? 1
                          : first >= 0xC2 && first < 0xE0 ? 2
                          : first >= 0xE0 && first < 0xF0 ? 3
                          : first >= 0xF0 && first < 0xF5 ? 4
                                                          : 0;
    if (n == 0 || n > bytes.size() - i) return false;
    std::uint32_t point = n == 1 ? first : first & (0x7FU >> n);
    for (std::size_t k = 1; k < n; ++k) {
      const auto next = static_cast<unsigned char>(bytes[i + k]);
      if ((next & 0xC0U) != 0x80U) return false;
      point = point << 6U | (next & 0x3FU);
    }
    // Not in the shortest form, a half of a pair, beyond what there is.
    if ((n == 3 && point < 0x800) || (n == 4 && point < 0x10000) || (point >= 0xD800 && point < 0xE000) ||
        point > 0x10FFFF)
      return false;
    i += n;
  }
  return true;
}

std::string to_ascii(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && c != kMark) {
      out += c;
      continue;
    }
    out += kMark;
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 15U];
  }
  return out;
}

std::string from_ascii(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t high = i + 2 < text.size() ? kDigits.find(text[i + 1]) : std::string_view::npos;
    const std::size_t low = i + 2 < text.size() ? kDigits.find(text[i + 2]) : std::string_view::npos;
    if (text[i] != kMark || high == std::string_view::npos || low == std::string_view::npos) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(high << 4U | low);
    i += 2;
  }
  return out;
}

std::string scalar_text(const toml::node& node, const std::string& path) {
  if (const auto* v = node.as_string()) return from_ascii(v->get());
  if (const auto* v = node.as_boolean()) return v->get() ? "true" : "false";
  if (const auto* v = node.as_integer()) return std::to_string(v->get());
  if (const auto* v = node.as_floating_point()) return shortest(v->get());
  throw UsageError(fmt::format("{}:{}: only text, numbers, true/false and lists of them are settings", path,
                               node.source().begin.line));
}

TomlFile::Value value_of(const toml::node& node, const std::string& path) {
  TomlFile::Value value;
  value.line = static_cast<int>(node.source().begin.line);
  if (const auto* list = node.as_array()) {
    for (const auto& item : *list) value.texts.push_back(scalar_text(item, path));
    if (value.texts.empty()) value.texts.emplace_back();
  } else {
    value.texts.push_back(scalar_text(node, path));
  }
  return value;
}

// Tables inside tables get dotted names: [a.b].
void collect(const toml::table& table, const std::string& name, const std::string& path, TomlFile& out) {
  if (!name.empty()) out.tables[name];
  for (const auto& [key, node] : table) {
    if (const auto* inner = node.as_table()) {
      collect(*inner, name.empty() ? from_ascii(key.str()) : name + "." + from_ascii(key.str()), path, out);
    } else {
      out.tables[name][from_ascii(key.str())] = value_of(node, path);
    }
  }
}

// Of a column in the text as toml++ saw it: that in characters of the user's.
std::size_t user_column(std::string_view ascii, std::size_t line, std::size_t column) {
  std::size_t at = 0;
  for (; line > 1 && at != std::string_view::npos; --line) at = ascii.find('\n', at) + 1;
  const std::string before = from_ascii(ascii.substr(std::min(at, ascii.size()), column - 1));
  return 1 + static_cast<std::size_t>(std::count_if(before.begin(), before.end(), [](char c) {
           return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
         }));
}

}  // namespace

TomlFile parse_toml(std::string_view text, const std::string& path) {
  if (text.size() > kMiB) throw UsageError(fmt::format("{}: a settings file has at most 1 MiB", path));
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (!is_text(text)) throw UsageError(fmt::format("{}: this is no text in UTF-8", path));
  const std::string ascii = to_ascii(text);
  TomlFile out;
  out.path = path;
  try {
    collect(toml::parse(ascii), "", path, out);
  } catch (const toml::parse_error& e) {
    const auto [line, column] = std::pair{e.source().begin.line, e.source().begin.column};
    throw UsageError(
        fmt::format("{}:{}:{}: {}", path, line, user_column(ascii, line, column), from_ascii(e.description())));
  }
  return out;
}

TomlFile read_toml(const fs::path& path) {
  try {
    return parse_toml(read_file(path, 2 * kMiB), path.string());
  } catch (const UsageError&) {
    throw;
  } catch (const Error& e) {
    throw UsageError(e.what());
  }
}

}  // namespace anomctl
