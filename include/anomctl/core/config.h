// Settings from their four places: default < --config FILE.toml < environment < flag (contract, section 1).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"

namespace anomctl {

// One TOML file: the values of each [table] as texts, with the line they stand on. The keys above the first table are
// in table "".
struct TomlFile {
  struct Value {
    std::vector<std::string> texts;
    int line = 0;
  };
  std::string path;
  std::map<std::string, std::map<std::string, Value>> tables;
};
// Throws UsageError with file, line and column. At most 1 MiB.
TomlFile parse_toml(std::string_view text, const std::string& path);
TomlFile read_toml(const fs::path& path);

// Flags as the command line gave them: canonical snake_case name -> texts.
using GivenFlags = std::map<std::string, std::vector<std::string>>;
using Environment = std::function<std::optional<std::string>(const std::string&)>;
Environment process_environment();

struct Sources {
  std::string command;  // its table is [command], '-' and '_' alike
  const TomlFile* file = nullptr;
  Environment environment;  // empty: none
  GivenFlags flags;
};
// Sets each field from the strongest source that names it and returns that source by field: "default", "file",
// "environment", "flag". A secret x may be given as x_file. Throws UsageError: unknown key (with the nearest name), bad
// value, missing required setting.
std::map<std::string, std::string> resolve(const std::vector<Field>& fields, const Sources& sources);

// The known name closest to `name` by edit distance, if it is close enough to be a misspelling.
std::optional<std::string> nearest(std::string_view name, const std::vector<std::string>& known);
// "--Window-Size", "window-size", "window_size" -> "window_size"; "models import" -> "models_import".
std::string canonical_name(std::string_view name);

}  // namespace anomctl
