#include "commands/reference.h"

#include <set>
#include <sstream>

#include "anomctl/core/config.h"
#include "commands/program.h"
#include "support/catch.h"

namespace anomctl {
namespace {

bool needs_a_value(const Field& field) {
  return field.required && (field.default_text.empty() || field.default_text == "\"\"" || field.default_text == "[]");
}

// A settings file with its settings taken out of their comments, but those that have no default to show.
std::string uncommented(const CommandSpec& command) {
  std::set<std::string> left_out;
  const auto bound = command.make();
  for (const Field& f : bound->fields()) {
    if (f.secret) left_out.insert(f.name + "_file");
    if (f.default_text.empty() || needs_a_value(f)) left_out.insert(f.name);
  }
  std::istringstream lines(settings_file(command));
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find(" = ");
    const bool setting = line.starts_with("# ") && equals != std::string::npos && line.find(' ', 2) == equals &&
                         !left_out.contains(line.substr(2, equals - 2));
    if (setting || line.starts_with('[')) out += (setting ? line.substr(2) : line) + "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("every settings file is accepted by its command and sets the defaults") {
  for (const CommandSpec& command : all_commands()) {
    CAPTURE(command.name);
    const TomlFile file = parse_toml(uncommented(command), command.name + ".toml");
    const auto untouched = command.make();
    const auto bound = command.make();
    const auto fields = bound->fields();
    Sources sources{command.name, &file, {}, {}};
    for (const Field& f : fields) {
      if (needs_a_value(f)) sources.flags[f.name] = {f.choices.empty() ? "1" : f.choices.front()};
    }
    const auto origin = resolve(fields, sources);
    const auto defaults = untouched->fields();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      CAPTURE(fields[i].name);
      if (needs_a_value(fields[i])) continue;
      CHECK(fields[i].get() == defaults[i].get());
      if (!fields[i].hidden && !fields[i].secret && !defaults[i].default_text.empty()) {
        CHECK(origin.at(fields[i].name) == "file");
      }
    }
  }
}

TEST_CASE("a command's settings have names of their own") {
  GlobalOptions globals;
  for (const CommandSpec& command : all_commands()) {
    CAPTURE(command.name);
    std::set<std::string> names;
    for (const Field& f : describe(globals)) names.insert(f.name);
    const auto bound = command.make();
    for (const Field& f : bound->fields()) {
      CAPTURE(f.name);
      CHECK(f.name == canonical_name(f.name));
      CHECK_FALSE(f.help.empty());
      CHECK(names.insert(f.name).second);
      for (const std::string& alias : f.aliases) CHECK(names.insert(alias).second);
      if (f.secret) CHECK(names.insert(f.name + "_file").second);
      if (f.is_bool) CHECK(names.insert("no_" + f.name).second);
    }
  }
}

TEST_CASE("every command has a group, a summary and examples that name it") {
  for (const CommandSpec& command : all_commands()) {
    CAPTURE(command.name);
    CHECK_FALSE(command.group.empty());
    CHECK_FALSE(command.summary.empty());
    CHECK_FALSE(command.examples.empty());
    for (const std::string& example : command.examples) {
      CAPTURE(example);
      CHECK(example.find("anomctl ") != std::string::npos);
      CHECK(example.find(command.name) != std::string::npos);
    }
  }
}

}  // namespace anomctl
