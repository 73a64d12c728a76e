#include "commands/completion.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "commands/help.h"
#include "commands/program.h"

namespace anomctl {
namespace {

struct Flag {
  std::string text, help;
  bool takes_value = false, path = false;
  std::vector<std::string> choices;
};

std::vector<Flag> flags_of(const std::vector<Field>& fields) {
  std::vector<Flag> out;
  for (const Field& f : fields) {
    if (f.hidden) continue;
    out.push_back({flag_text(f.name), f.help, !f.is_bool, f.type.ends_with("path"), f.choices});
    if (f.is_bool && f.default_text == "true") out.push_back({"--no-" + flag_text(f.name).substr(2), f.help});
    if (f.secret) out.push_back({flag_text(f.name) + "-file", f.help, true, true});
  }
  return out;
}

std::vector<Flag> global_flags() {
  GlobalOptions globals;
  return flags_of(describe(globals));
}

std::vector<Flag> command_flags(const CommandSpec& command) {
  const auto bound = command.make();
  std::vector<Flag> flags = flags_of(bound->fields());
  for (const Flag& flag : global_flags()) flags.push_back(flag);
  return flags;
}

std::vector<std::string> positional_choices(const CommandSpec& command) {
  const auto bound = command.make();
  for (const Field& f : bound->fields()) {
    if (f.positional && !f.choices.empty()) return f.choices;
  }
  return {};
}

std::string first_word(const std::string& name) { return name.substr(0, name.find(' ')); }

std::vector<std::string> first_words(const std::vector<CommandSpec>& commands) {
  std::vector<std::string> words;
  for (const CommandSpec& c : commands) {
    if (std::find(words.begin(), words.end(), first_word(c.name)) == words.end()) words.push_back(first_word(c.name));
  }
  return words;
}

std::vector<std::string> second_words(const std::string& first, const std::vector<CommandSpec>& commands) {
  std::vector<std::string> words;
  for (const CommandSpec& c : commands) {
    if (c.name.starts_with(first + " ")) words.push_back(c.name.substr(first.size() + 1));
  }
  return words;
}

// 'a text' for the shells' single quotes.
std::string quoted(std::string text) {
  for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4) text.replace(at, 1, "'\\''");
  return "'" + text + "'";
}

// In bash the command line is walked for the command's words; zsh runs the same script through bashcompinit.
std::string bash_script(const std::vector<CommandSpec>& commands) {
  std::string out =
      "# Completion of anomctl for bash. Put it into ~/.local/share/bash-completion/completions/anomctl\n"
      "_anomctl() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command='' word i\n"
      "  COMPREPLY=()\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    word=${COMP_WORDS[i]}\n"
      "    [[ $word == -* ]] && continue\n"
      "    case \"$command $word\" in\n";
  for (const std::string& word : first_words(commands)) {
    out += fmt::format("      ' {0}') command='{0}' ;;\n", word);
    for (const std::string& second : second_words(word, commands)) {
      out += fmt::format("      '{0} {1}') command='{0} {1}' ;;\n", word, second);
    }
  }
  out += "    esac\n  done\n  case \"$command $previous\" in\n";
  std::string paths;
  for (const CommandSpec& c : commands) {
    for (const Flag& flag : command_flags(c)) {
      if (!flag.choices.empty()) {
        out += fmt::format("    '{} {}') COMPREPLY=($(compgen -W '{}' -- \"$current\")); return ;;\n", c.name,
                           flag.text, fmt::join(flag.choices, " "));
      } else if (flag.takes_value) {
        paths += fmt::format("{}'{} {}'", paths.empty() ? "" : " | ", c.name, flag.text);
      }
    }
  }
  if (!paths.empty()) out += fmt::format("    {}) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n", paths);
  out += "  esac\n  local words=''\n  case \"$command\" in\n";
  const auto flag_words = [](const std::vector<Flag>& flags) {
    std::vector<std::string> texts;
    for (const Flag& flag : flags) texts.push_back(flag.text);
    return fmt::format("{}", fmt::join(texts, " "));
  };
  out += fmt::format("    '') words='{} {}' ;;\n", fmt::join(first_words(commands), " "), flag_words(global_flags()));
  for (const std::string& word : first_words(commands)) {
    const auto second = second_words(word, commands);
    if (!second.empty()) out += fmt::format("    '{}') words='{}' ;;\n", word, fmt::join(second, " "));
  }
  for (const CommandSpec& c : commands) {
    out += fmt::format("    '{}') words='{} {}' ;;\n", c.name, fmt::join(positional_choices(c), " "),
                       flag_words(command_flags(c)));
  }
  out +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  [[ ${#COMPREPLY[@]} -gt 0 || $current == -* ]] || COMPREPLY=($(compgen -f -- \"$current\"))\n"
      "}\n"
      "complete -o filenames -F _anomctl anomctl\n";
  return out;
}

std::string fish_script(const std::vector<CommandSpec>& commands) {
  std::string out =
      "# Completion of anomctl for fish. Put it into ~/.config/fish/completions/anomctl.fish\n"
      "complete -c anomctl -f\n";
  for (const Flag& flag : global_flags()) {
    out += fmt::format("complete -c anomctl -l {} -d {}{}\n", flag.text.substr(2), quoted(flag.help),
                       flag.path ? " -r -F" : "");
  }
  for (const std::string& word : first_words(commands)) {
    std::string about = "more";
    for (const CommandSpec& c : commands) {
      if (c.name == word) about = c.summary;
    }
    out += fmt::format("complete -c anomctl -n __fish_use_subcommand -a {} -d {}\n", word, quoted(about));
  }
  for (const CommandSpec& c : commands) {
    const std::string word = first_word(c.name);
    std::string condition = "__fish_seen_subcommand_from " + word;
    if (word != c.name) {
      const std::string second = c.name.substr(word.size() + 1);
      out += fmt::format("complete -c anomctl -n {} -a {} -d {}\n", quoted(condition), second, quoted(c.summary));
      condition += "; and __fish_seen_subcommand_from " + second;
    }
    const auto choices = positional_choices(c);
    if (!choices.empty()) {
      out += fmt::format("complete -c anomctl -n {} -a '{}'\n", quoted(condition), fmt::join(choices, " "));
    }
    const auto bound = c.make();
    for (const Flag& flag : flags_of(bound->fields())) {
      std::string value = flag.takes_value ? (flag.path ? " -r -F" : " -x") : "";
      if (!flag.choices.empty()) value = fmt::format(" -x -a '{}'", fmt::join(flag.choices, " "));
      out += fmt::format("complete -c anomctl -n {} -l {} -d {}{}\n", quoted(condition), flag.text.substr(2),
                         quoted(flag.help), value);
    }
  }
  return out;
}

int print_completion(const CompletionOptions& options, Context& context) {
  const std::string script = completion_script(options.shell, all_commands());
  context.text(script);
  context.result["script"] = script;
  return 0;
}

}  // namespace

std::string completion_script(const std::string& shell, const std::vector<CommandSpec>& commands) {
  if (shell == "fish") return fish_script(commands);
  if (shell == "bash") return bash_script(commands);
  return "#compdef anomctl\n"
         "# Completion of anomctl for zsh. Put it as _anomctl into a folder of $fpath\n"
         "autoload -U +X bashcompinit && bashcompinit\n" +
         bash_script(commands);
}

CommandSpec completion_command() {
  return make_command<CompletionOptions>(
      "completion", "Tools", "Print the completion script of a shell",
      {"anomctl completion bash > ~/.local/share/bash-completion/completions/anomctl"}, print_completion);
}

}  // namespace anomctl
