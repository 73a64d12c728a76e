// `anomctl completion bash|zsh|fish`: a script that completes commands, flags and choices, written from the
// declarations. Thread rule: pure functions.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "commands/command.h"

namespace anomctl {

struct CompletionOptions {
  std::string shell;

  static void fields(auto& self, auto&& field) {
    field("shell", self.shell, "the shell to write for", Required{}, Positional{}, OneOf{{"bash", "zsh", "fish"}});
  }
};

std::string completion_script(const std::string& shell, const std::vector<CommandSpec>& commands);
CommandSpec completion_command();

}  // namespace anomctl
