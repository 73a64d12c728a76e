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

}  // namespace

TomlFile parse_toml(std::string_view text, const std::string& path) {
  if (text.size() > kMiB) throw UsageError(fmt::format("{}: a settings file has at most 1 MiB", path));
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
