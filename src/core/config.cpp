#include "anomctl/core/config.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

std::string environment_name(const std::string& name) {
  std::string out = "ANOMCTL_";
  for (const char c : name) out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::string flag_name(const std::string& name) {
  std::string out = "--" + name;
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

// A secret's file holds the secret and perhaps one line end; of a list one a line.
std::vector<std::string> secret_from_file(const Field& field, const std::string& path) {
  std::string text = read_file(path, 64 * 1024);
  const auto trim = [](std::string& line) {
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  };
  trim(text);
  if (!field.is_list) return {text};
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line); lines.push_back(line)) trim(line);
  return lines;
}

void set_from(const Field& field, const std::vector<std::string>& texts, const std::string& where) {
  try {
    field.set(texts);
  } catch (const UsageError& e) {
    throw UsageError(fmt::format("{}: {}", where, field.secret ? "the secret cannot be used" : e.what()));
  }
}

struct Found {
  std::vector<std::string> texts;
  std::string where;
};

using Lookup = std::function<std::optional<Found>(const std::string& name)>;

// Takes the field (or its aliases, or its NAME_file) from one source; false when the source does not name it.
bool take(const Field& field, const Lookup& lookup) {
  std::vector<std::string> names = field.aliases;
  names.insert(names.begin(), field.name);
  for (const std::string& name : names) {
    if (const auto found = lookup(name)) {
      set_from(field, found->texts, found->where);
      return true;
    }
    if (!field.secret) continue;
    if (const auto found = lookup(name + "_file")) {
      set_from(field, secret_from_file(field, found->texts.back()), found->where);
      return true;
    }
  }
  return false;
}

std::vector<std::string> known_names(const std::vector<Field>& fields) {
  std::vector<std::string> names;
  for (const Field& f : fields) {
    names.push_back(f.name);
    names.insert(names.end(), f.aliases.begin(), f.aliases.end());
    if (f.secret) names.push_back(f.name + "_file");
  }
  return names;
}

const std::map<std::string, TomlFile::Value>* table_of(const Sources& sources) {
  if (sources.file == nullptr) return nullptr;
  const std::string wanted = canonical_name(sources.command);
  for (const auto& [name, table] : sources.file->tables) {
    if (canonical_name(name) == wanted) return &table;
  }
  return nullptr;
}

}  // namespace

std::string canonical_name(std::string_view name) {
  while (!name.empty() && name.front() == '-') name.remove_prefix(1);
  std::string out;
  for (const char c : name)
    out += c == '-' || c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

std::optional<std::string> nearest(std::string_view name, const std::vector<std::string>& known) {
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const std::string& candidate : known) {
    // Optimal string alignment distance, one row at a time (a swap of neighbours counts as one).
    const std::size_t m = candidate.size();
    std::vector<std::size_t> before(m + 1), previous(m + 1), current(m + 1);
    for (std::size_t j = 0; j <= m; ++j) previous[j] = j;
    for (std::size_t i = 1; i <= name.size(); ++i) {
      current[0] = i;
      for (std::size_t j = 1; j <= m; ++j) {
        const std::size_t change = previous[j - 1] + (name[i - 1] != candidate[j - 1]);
        current[j] = std::min({previous[j] + 1, current[j - 1] + 1, change});
        if (i > 1 && j > 1 && name[i - 1] == candidate[j - 2] && name[i - 2] == candidate[j - 1]) {
          current[j] = std::min(current[j], before[j - 2] + 1);
        }
      }
      std::swap(before, previous);
      std::swap(previous, current);
    }
    if (previous[m] < best_distance) {
      best_distance = previous[m];
      best = candidate;
    }
  }
  return best;
}

std::map<std::string, std::string> resolve(const std::vector<Field>& fields, const Sources& sources) {
  const auto names = known_names(fields);
  const auto reject_unknown = [&](const std::string& name, const std::string& shown) {
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    const auto close = nearest(name, names);
    throw UsageError(fmt::format("{} is unknown{}", shown, close ? fmt::format(": did you mean '{}'?", *close) : ""));
  };
  const auto* table = table_of(sources);
  if (table != nullptr) {
    for (const auto& [key, value] : *table) {
      reject_unknown(canonical_name(key), fmt::format("{}:{}: key '{}'", sources.file->path, value.line, key));
    }
  }
  for (const auto& [flag, texts] : sources.flags) reject_unknown(flag, flag_name(flag));

  const Lookup from_flags = [&](const std::string& name) -> std::optional<Found> {
    const auto it = sources.flags.find(name);
    if (it == sources.flags.end()) return std::nullopt;
    return Found{it->second, flag_name(name)};
  };
  const Lookup from_environment = [&](const std::string& name) -> std::optional<Found> {
    if (!sources.environment) return std::nullopt;
    const auto value = sources.environment(environment_name(name));
    if (!value) return std::nullopt;
    return Found{{*value}, environment_name(name)};
  };
  const Lookup from_file = [&](const std::string& name) -> std::optional<Found> {
    if (table == nullptr) return std::nullopt;
    for (const auto& [key, value] : *table) {
      if (canonical_name(key) == name) {
        return Found{value.texts, fmt::format("{}:{}: {}", sources.file->path, value.line, key)};
      }
    }
    return std::nullopt;
  };

  std::map<std::string, std::string> origin;
  for (const Field& field : fields) {
    std::string from = "default";
    if (take(field, from_flags))
      from = "flag";
    else if (take(field, from_environment))
      from = "environment";
    else if (take(field, from_file))
      from = "file";
    else if (field.required) {
      throw UsageError(fmt::format("{} is needed: give the flag, {} or the key {} in --config", flag_name(field.name),
                                   environment_name(field.name), field.name));
    }
    origin[field.name] = from;
  }
  return origin;
}

}  // namespace anomctl
