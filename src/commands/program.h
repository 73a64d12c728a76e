// The program: finds the command, resolves its settings, runs it, turns errors into one line and an exit code.
// Thread rule: called once, from main.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/config.h"
#include "anomctl/core/fields.h"
#include "commands/command.h"

namespace anomctl {

// Settings that every command takes, before or after its name.
struct GlobalOptions {
  fs::path config;
  bool json = false, quiet = false, verbose = false;
  std::string log_format = "text", log_level = "info";
  bool help = false, version = false;

  static void fields(auto& self, auto&& field) {
    field("config", self.config, "TOML file with settings, a table a command");
    field("json", self.json, "print the result as exactly one JSON document");
    field("quiet", self.quiet, "only warnings and errors on stderr (-q)");
    field("verbose", self.verbose, "more detail on stderr, and behind errors (-v)");
    field("log_format", self.log_format, "lines on stderr as text or JSON", OneOf{{"text", "json"}});
    field("log_level", self.log_level, "least level that is logged", OneOf{{"debug", "info", "warning", "error"}});
    field("help", self.help, "what the command does and its settings (-h)");
    field("version", self.version, "the version of the program");
  }
};

// Throws UsageError for a table of `file` that is no command.
void check_tables(const TomlFile& file, const std::vector<CommandSpec>& commands);

// The command that `arguments` name from `at` on; advances `at` behind the name (one or two words). nullptr when the
// word is the first of two-word names only ("models"). Throws UsageError with the nearest name.
const CommandSpec* find_command(const std::vector<std::string>& arguments, std::size_t& at,
                                const std::vector<CommandSpec>& commands);

int run_command_line(const std::vector<std::string>& arguments);

}  // namespace anomctl
