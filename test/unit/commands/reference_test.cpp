#include "commands/reference.h"

#include <set>
#include <sstream>

#include "anomctl/core/config.h"
#include "commands/program.h"
#include "support/catch.h"

namespace anomctl {
namespace {

// A settings file with its settings taken out of their comments; those without a value stay out.
std::string uncommented(const std::string& text) {
  std::istringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    const bool setting = line.starts_with("# ") && line.find(" = ") != std::string::npos && !line.ends_with(" = ") &&
                         line.find(' ', 2) == line.find(" = ");
    if (setting && line.find("_file = ") == std::string::npos)
      out += line.substr(2) + "\n";
    else if (line.starts_with('['))
      out += line + "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("every settings file is accepted by its command and sets the defaults") {
  for (const CommandSpec& command : all_commands()) {
    CAPTURE(command.name);
    const TomlFile file = parse_toml(uncommented(settings_file(command)), command.name + ".toml");
    const auto untouched = command.make();
    const auto bound = command.make();
    const auto fields = bound->fields();
    Sources sources{command.name, &file, {}, {}};
    for (const Field& f : fields) {
      if (f.required && f.default_text.empty()) sources.flags[f.name] = {"1"};
    }
    const auto origin = resolve(fields, sources);
    const auto defaults = untouched->fields();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      CAPTURE(fields[i].name);
      if (origin.at(fields[i].name) == "flag" || fields[i].required) continue;
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
