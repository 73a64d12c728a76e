#include "commands/help.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "anomctl/core/json.h"
#include "commands/program.h"

#ifndef ANOMCTL_VERSION
#define ANOMCTL_VERSION "0.0.0"
#endif

namespace anomctl {
namespace {

constexpr std::size_t kWidth = 100;

// Words of `text` in lines of at most kWidth characters, all but the first indented.
std::string wrapped(const std::string& text, std::size_t indent) {
  std::string out, line;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t space = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, space - begin);
    if (!line.empty() && indent + line.size() + 1 + word.size() > kWidth) {
      out += line + "\n" + std::string(indent, ' ');
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    begin = space + 1;
  }
  return out + line;
}

std::string entry(const std::string& left, const std::string& right, std::size_t column) {
  std::string out = "  " + left;
  out += out.size() + 2 > column ? "\n" + std::string(column, ' ') : std::string(column - out.size(), ' ');
  return out + wrapped(right, column) + "\n";
}

std::string field_entry(const Field& field) {
  const std::string limits = limits_text(field);
  return entry(flag_usage(field), field.help + (limits.empty() ? "" : " (" + limits + ")"), 34);
}

std::string global_entries() {
  GlobalOptions globals;
  std::string out;
  for (const Field& field : describe(globals)) {
    out += entry(flag_usage(field), field.help, 34);
  }
  return out;
}

std::vector<std::string> groups_of(const std::vector<CommandSpec>& commands) {
  std::vector<std::string> groups;
  for (const CommandSpec& c : commands) {
    if (std::find(groups.begin(), groups.end(), c.group) == groups.end()) groups.push_back(c.group);
  }
  return groups;
}

std::string metavar(const Field& field) {
  if (!field.choices.empty()) {
    const std::string all = fmt::format("{}", fmt::join(field.choices, "|"));
    return all.size() <= 24 ? all : "NAME";
  }
  std::string type = field.type.starts_with("list of ") ? field.type.substr(8) : field.type;
  const std::string more = field.is_list && !field.is_whole ? ",.." : "";
  if (type == "whole number") return "N" + more;
  if (type == "number") return "X" + more;
  if (type == "path") return "PATH" + more;
  if (type == "duration") return "TIME" + more;
  return "TEXT" + more;
}

std::string unquoted(const std::string& toml) {
  return toml.size() >= 2 && toml.front() == '"' ? Json::parse(toml).as_string() : toml;
}

}  // namespace

std::string program_version() { return ANOMCTL_VERSION; }

std::string flag_text(const std::string& name) {
  std::string out = "--" + name;
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

std::string flag_usage(const Field& field) {
  if (field.is_bool && !field.is_list) {
    const bool on_by_default = field.default_text == "true";
    return on_by_default ? "--[no-]" + flag_text(field.name).substr(2) : flag_text(field.name);
  }
  const std::string usage = flag_text(field.name) + " " + metavar(field);
  return field.secret ? flag_text(field.name) + "[-file] " + metavar(field) : usage;
}

std::string limits_text(const Field& field) {
  std::vector<std::string> parts;
  if (field.required) parts.emplace_back("needed");
  if (!field.choices.empty() && metavar(field) == "NAME") {
    parts.push_back(fmt::format("one of {}", fmt::join(field.choices, ", ")));
  }
  const std::string unit = field.type == "duration" ? " s" : "";
  if (field.lo && field.hi)
    parts.push_back(fmt::format("{} to {}{}", shortest(*field.lo), shortest(*field.hi), unit));
  else if (field.lo)
    parts.push_back(fmt::format("at least {}{}", shortest(*field.lo), unit));
  const std::string value = field.is_list ? field.default_text : unquoted(field.default_text);
  const bool plain_false = field.is_bool && value == "false";
  if (!field.required && !field.secret && !value.empty() && value != "[]" && !plain_false) {
    parts.push_back("default " + value);
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string program_help(const std::vector<CommandSpec>& commands) {
  std::string out =
      "anomctl: from sensor readings to live, explained alerts\n\n"
      "Usage: anomctl [GLOBAL] COMMAND [OPTIONS]     anomctl COMMAND --help says more\n";
  for (const std::string& group : groups_of(commands)) {
    out += "\n" + group + ":\n";
    for (const CommandSpec& c : commands) {
      if (c.group == group) out += entry(c.name, c.summary, 20);
    }
  }
  out += "\nGlobal options:\n" + global_entries();
  out +=
      "\nA setting has one name: flag --window-size, environment ANOMCTL_WINDOW_SIZE, key window_size in the table\n"
      "of its command in the --config file. A flag beats the environment, which beats the file.\n"
      "\nExamples:\n";
  for (const char* name : {"demo", "create-datasets", "train", "evaluate", "manage"}) {
    for (const CommandSpec& c : commands) {
      if (c.name == name && !c.examples.empty()) out += "  " + c.examples.front() + "\n";
    }
  }
  return out;
}

std::string group_help(const std::string& word, const std::vector<CommandSpec>& commands) {
  std::string out = fmt::format("Usage: anomctl {} COMMAND [OPTIONS]\n\n", word);
  for (const CommandSpec& c : commands) {
    if (c.name.starts_with(word + " ")) out += entry(c.name, c.summary, 24);
  }
  return out;
}

std::string command_help(const CommandSpec& command) {
  const auto bound = command.make();
  std::string usage = "anomctl " + command.name, options;
  for (const Field& field : bound->fields()) {
    if (field.positional)
      usage += (field.required ? " " : " [") + flag_text(field.name).substr(2) + (field.is_list ? ".." : "") +
               (field.required ? "" : "]");
    if (!field.hidden) options += field_entry(field);
  }
  std::string out = fmt::format("anomctl {}: {}\n\nUsage: {} [OPTIONS]\n", command.name, command.summary, usage);
  if (!options.empty()) out += "\nOptions:\n" + options;
  out += "\nGlobal options:\n" + global_entries();
  if (!command.examples.empty()) out += "\nExamples:\n";
  for (const std::string& example : command.examples) out += "  " + example + "\n";
  return out;
}

}  // namespace anomctl
