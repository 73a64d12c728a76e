// The reference of all commands, written from their declarations: docs/commands.md, the man page, and the settings
// files in configs/. Thread rule: pure functions.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "commands/command.h"

namespace anomctl {

struct ReferenceOptions {
  std::string format = "markdown";
  std::string about;

  static void fields(auto& self, auto&& field) {
    field("format", self.format, "what to print: docs/commands.md, the man page, or a settings file (TOML)",
          OneOf{{"markdown", "man", "toml", "names"}});
    field("about", self.about, "the one command that a settings file is for", Positional{});
  }
};

// Every setting of the command, commented at its default.
std::string settings_file(const CommandSpec& command);
std::string commands_markdown(const std::vector<CommandSpec>& commands);
std::string man_page(const std::vector<CommandSpec>& commands);

CommandSpec reference_command();

}  // namespace anomctl
