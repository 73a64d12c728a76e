// The table of subcommands. Each is defined in its own pair of files.
#include "commands/command.h"

namespace anomctl {

const std::vector<CommandSpec>& all_commands() {
  static const std::vector<CommandSpec> commands = {};
  return commands;
}

}  // namespace anomctl
