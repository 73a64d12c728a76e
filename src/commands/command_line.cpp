#include "commands/command_line.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

// -h, -q and -v stand for their long names.
std::string long_name(const std::string& argument) {
  if (argument == "-h") return "--help";
  if (argument == "-q") return "--quiet";
  if (argument == "-v") return "--verbose";
  return argument;
}

bool is_flag(const std::string& argument) { return argument.size() > 2 && argument.starts_with("--"); }
// "-1", "-0.5" and "-" are values, "-x" is a misspelt flag.
bool is_short_flag(const std::string& argument) {
  return argument.size() > 1 && argument[0] == '-' && argument[1] != '-' && argument[1] != '.' &&
         std::isdigit(static_cast<unsigned char>(argument[1])) == 0;
}
bool is_bool_word(const std::string& text) {
  return text == "true" || text == "false" || text == "yes" || text == "no" || text == "on" || text == "off";
}

// "--name=value" -> canonical name and the value, if one is attached.
std::pair<std::string, std::optional<std::string>> name_and_value(const std::string& argument) {
  const std::size_t equals = argument.find('=');
  std::string name = canonical_name(argument.substr(0, equals));
  if (equals == std::string::npos) return {std::move(name), std::nullopt};
  return {std::move(name), argument.substr(equals + 1)};
}

// What a name on the command line stands for.
struct Meaning {
  const Field* field = nullptr;
  bool negated = false;      // --no-x
  bool from_a_file = false;  // --x-file of a secret x
};

Meaning find_field(const std::string& name, const std::vector<Field>& fields) {
  for (const Field& f : fields) {
    if (f.name == name || std::find(f.aliases.begin(), f.aliases.end(), name) != f.aliases.end()) return {&f};
  }
  for (const Field& f : fields) {
    if (f.is_bool && name == "no_" + f.name) return {&f, true};
    if (!f.secret) continue;
    const bool alias_file =
        std::any_of(f.aliases.begin(), f.aliases.end(), [&](const auto& alias) { return name == alias + "_file"; });
    if (name == f.name + "_file" || alias_file) return {&f, false, true};
  }
  return {};
}

[[noreturn]] void reject(const std::string& argument, const std::vector<Field>& fields) {
  const auto [name, value] = name_and_value(argument);
  std::vector<std::string> known;
  for (const Field& f : fields) {
    if (f.hidden) continue;
    known.push_back(f.name);
    known.insert(known.end(), f.aliases.begin(), f.aliases.end());
  }
  const auto close = nearest(name, known);
  std::string hint = close ? ": did you mean --" + *close + "?" : ": see --help";
  std::replace(hint.begin(), hint.end(), '_', '-');
  throw UsageError(fmt::format("unknown flag {}{}", argument.substr(0, argument.find('=')), hint));
}

class Splitter {
 public:
  Splitter(const std::vector<std::string>& arguments, const std::vector<Field>& fields)
      : arguments_(arguments), fields_(fields) {}

  GivenFlags split() {
    bool only_positional = false;
    while (at_ < arguments_.size()) {
      const std::string argument = long_name(arguments_[at_++]);
      if (!only_positional && argument == "--") {
        only_positional = true;
      } else if (!only_positional && is_flag(argument)) {
        take_flag(argument);
      } else if (!only_positional && is_short_flag(argument)) {
        reject(argument, fields_);
      } else {
        take_positional(argument);
      }
    }
    return std::move(out_);
  }

 private:
  void take_flag(const std::string& argument) {
    auto [name, value] = name_and_value(argument);
    const Meaning meaning = find_field(name, fields_);
    if (meaning.field == nullptr) reject(argument, fields_);
    const Field& field = *meaning.field;
    const std::string& key = meaning.from_a_file ? name : field.name;
    if (meaning.negated) {
      if (value) throw UsageError(fmt::format("{} takes no value", argument.substr(0, argument.find('='))));
      out_[key] = {"false"};
    } else if (value) {
      add(key, field, *value);
    } else if (field.is_bool) {
      const bool worded = at_ < arguments_.size() && is_bool_word(arguments_[at_]);
      out_[key] = {worded ? arguments_[at_++] : "true"};
    } else {
      if (at_ == arguments_.size() || starts_known_flag(arguments_[at_])) {
        throw UsageError(fmt::format("{} needs a value ({})", argument, field.type));
      }
      add(key, field, arguments_[at_++]);
    }
  }

  void take_positional(const std::string& argument) {
    for (const Field& f : fields_) {
      if (!f.positional || (out_.contains(f.name) && !f.is_list)) continue;
      add(f.name, f, argument);
      return;
    }
    throw UsageError(fmt::format("unexpected argument '{}': see --help", argument));
  }

  // Of a flag that is no list the last value stands, as in other programs.
  void add(const std::string& key, const Field& field, const std::string& value) {
    if (!field.is_list) out_[key].clear();
    out_[key].push_back(value);
  }

  bool starts_known_flag(const std::string& argument) const {
    return is_flag(argument) && find_field(name_and_value(argument).first, fields_).field != nullptr;
  }

  const std::vector<std::string>& arguments_;
  const std::vector<Field>& fields_;
  std::size_t at_ = 0;
  GivenFlags out_;
};

}  // namespace

GivenFlags split_command_line(const std::vector<std::string>& arguments, const std::vector<Field>& fields) {
  return Splitter(arguments, fields).split();
}

std::size_t find_command_word(const std::vector<std::string>& arguments, const std::vector<Field>& globals) {
  std::size_t at = 0;
  for (; at < arguments.size(); ++at) {
    const std::string argument = long_name(arguments[at]);
    if (!is_flag(argument)) break;
    const auto [name, value] = name_and_value(argument);
    const Meaning meaning = find_field(name, globals);
    if (meaning.field == nullptr || value || meaning.negated) continue;
    if (!meaning.field->is_bool || (at + 1 < arguments.size() && is_bool_word(arguments[at + 1]))) ++at;
  }
  return std::min(at, arguments.size());
}

}  // namespace anomctl
