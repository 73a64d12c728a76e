#include <fmt/core.h>
// An assertion of toml++ 3 does not hold for some wrong text, which its parser then refuses in order.
#define TOML_ASSERT(condition) static_assert(true)
#include <toml++/toml.h>

#include "anomctl/core/config.h"
#include "anomctl/core/error.h"
#include "anomctl/core/json.h"

namespace anomctl {
namespace {

std::string scalar_text(const toml::node& node, const std::string& path) {
  if (const auto* v = node.as_string()) return v->get();
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
      collect(*inner, name.empty() ? std::string(key.str()) : name + "." + std::string(key.str()), path, out);
    } else {
      out.tables[name][std::string(key.str())] = value_of(node, path);
    }
  }
}

// TOML allows other than ASCII characters in strings and comments only. toml++ 3 has undefined behaviour for some of
// them elsewhere, and says little about the rest, so they are refused here.
void refuse_foreign_characters(std::string_view text, const std::string& path) {
  std::string_view end;  // what ends the string or comment we are in; empty outside
  int line = 1;
  std::size_t line_start = 0;
  for (std::size_t i = text.starts_with("\xef\xbb\xbf") ? 3 : 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool escapes = !end.empty() && end[0] == '"' && c == '\\';
    if (escapes) ++i;  // what is escaped does not end the string, and is ASCII
    const bool inside = !end.empty() && !escapes;
    if (i < text.size() && static_cast<unsigned char>(text[i]) >= 0x80 && !inside) {
      throw UsageError(fmt::format("{}:{}:{}: a character that is not ASCII stands outside quotes and comments", path,
                                   line, i - line_start + 1));
    }
    if (i < text.size() && text[i] == '\n') {
      ++line;
      line_start = i + 1;
      if (end.size() == 1) end = {};  // a comment ends here; so does a string that was not closed, which is refused
    } else if (escapes) {
      continue;
    } else if (!end.empty()) {
      if (!text.substr(i).starts_with(end)) continue;
      i += end.size() - 1;
      // Two quotes may stand directly before the three that end a string.
      for (int n = 0; n < 2 && end.size() == 3 && i + 1 < text.size() && text[i + 1] == end[0]; ++n) ++i;
      end = {};
    } else if (c == '#') {
      end = "\n";
    } else if (c == '"' || c == '\'') {
      const std::string_view three = c == '"' ? R"(""")" : "'''";
      end = text.substr(i).starts_with(three) ? three : three.substr(0, 1);
      i += end.size() - 1;
    }
  }
}

}  // namespace

TomlFile parse_toml(std::string_view text, const std::string& path) {
  if (text.size() > kMiB) throw UsageError(fmt::format("{}: a settings file has at most 1 MiB", path));
  refuse_foreign_characters(text, path);
  TomlFile out;
  out.path = path;
  try {
    collect(toml::parse(text), "", path, out);
  } catch (const toml::parse_error& e) {
    throw UsageError(
        fmt::format("{}:{}:{}: {}", path, e.source().begin.line, e.source().begin.column, e.description()));
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
