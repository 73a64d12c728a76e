// --help, the settings files in configs/, docs/commands.md and the man page: all written from the declarations.
// Thread rule: pure functions.
#pragma once

#include <string>
#include <vector>

#include "commands/command.h"

namespace anomctl {

std::string program_help(const std::vector<CommandSpec>& commands);
// The commands that share their first word: "models".
std::string group_help(const std::string& word, const std::vector<CommandSpec>& commands);
std::string command_help(const CommandSpec& command);
// "--window-size WHOLE NUMBER", "--[no-]use-gatv2", without the leading dashes of values.
std::string flag_usage(const Field& field);
// "default 100", "needed", "one of a, b", "2 to 10000"; joined by "; ".
std::string limits_text(const Field& field);
// "--window-size"
std::string flag_text(const std::string& name);
std::string program_version();

}  // namespace anomctl
