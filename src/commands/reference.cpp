#include "commands/reference.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "anomctl/core/config.h"
#include "anomctl/core/error.h"
#include "commands/help.h"
#include "commands/program.h"

namespace anomctl {
namespace {

std::string environment_text(const std::string& name) {
  std::string out = "ANOMCTL_" + name;
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

std::string capitals(const std::string& name) { return environment_text(name).substr(8); }

std::vector<std::string> groups_of(const std::vector<CommandSpec>& commands) {
  std::vector<std::string> groups;
  for (const CommandSpec& c : commands) {
    if (std::find(groups.begin(), groups.end(), c.group) == groups.end()) groups.push_back(c.group);
  }
  return groups;
}

// What a key shows where there is no default to show: its type, as TOML can hold it.
std::string example_value(const Field& field) {
  if (!field.default_text.empty()) return field.default_text;
  return field.is_text ? "\"\"" : "";
}

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.replace(at, 1, "\\|");
  return text;
}

std::string field_table(const std::vector<Field>& fields) {
  std::string out = "| flag | what it sets | limits and default |\n|---|---|---|\n";
  for (const Field& f : fields) {
    if (f.hidden) continue;
    out += fmt::format("| `{}` | {} | {} |\n", cell(flag_usage(f)), cell(f.help), cell(limits_text(f)));
  }
  return out;
}

// Text for troff: no line may start with '.' or ''', and backslashes and hyphens are literal.
std::string troff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string man_fields(const std::vector<Field>& fields) {
  std::string out;
  for (const Field& f : fields) {
    if (f.hidden) continue;
    const std::string limits = limits_text(f);
    out += fmt::format(".TP\n.B {}\n{}{}\n", troff(flag_usage(f)), troff(f.help),
                       limits.empty() ? "" : " (" + troff(limits) + ")");
  }
  return out;
}

int print_reference(const ReferenceOptions& options, Context& context) {
  if (options.format == "toml") {
    for (const CommandSpec& command : all_commands()) {
      if (canonical_name(command.name) != canonical_name(options.about)) continue;
      context.text(settings_file(command));
      return 0;
    }
    std::vector<std::string> names;
    for (const CommandSpec& command : all_commands()) names.push_back(command.name);
    const auto close = nearest(options.about, names);
    throw UsageError(fmt::format("reference: '{}' is no command{}", options.about,
                                 close ? fmt::format(": did you mean '{}'?", *close) : ""));
  }
  if (options.format == "names") {
    Json names = Json::array();
    for (const CommandSpec& command : all_commands()) {
      context.text(command.name);
      names.push_back(command.name);
    }
    context.result["commands"] = std::move(names);
  } else {
    context.text(options.format == "man" ? man_page(all_commands()) : commands_markdown(all_commands()));
  }
  return 0;
}

}  // namespace

std::string settings_file(const CommandSpec& command) {
  const std::string table = canonical_name(command.name);
  std::string out = fmt::format(
      "# Settings of `anomctl {0}`, each at its default. Use: anomctl --config FILE {0}\n"
      "# A flag or an environment variable (ANOMCTL_NAME) beats this file.\n[{1}]\n",
      command.name, table);
  const auto bound = command.make();
  for (const Field& f : bound->fields()) {
    if (f.hidden) continue;
    std::string about = f.help;
    if (f.required) about += " (needed)";
    if (!f.choices.empty()) about += fmt::format(" ({})", fmt::join(f.choices, ", "));
    out += fmt::format("\n# {}\n", about);
    const std::string key = f.secret ? f.name + "_file" : f.name;
    out += fmt::format("# {} = {}\n", key, f.secret ? "\"\"" : example_value(f));
  }
  return out;
}

std::string commands_markdown(const std::vector<CommandSpec>& commands) {
  std::string out =
      "# Commands\n\n"
      "Written by `anomctl reference`; do not edit. A setting has one name everywhere: flag `--window-size`, "
      "environment\n"
      "`ANOMCTL_WINDOW_SIZE`, key `window_size` in the table of its command in the `--config` file. A flag beats the\n"
      "environment, which beats the file, which beats the default. A secret `X` may be given as `X-file`, a path.\n\n"
      "Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 done, but a bound given with `--fail-on` is\n"
      "missed; 4 input data or a file is unusable; 5 another service cannot be reached; 130 or 143 ended by SIGINT or\n"
      "SIGTERM after a clean shutdown.\n\n## Every command\n\n";
  GlobalOptions globals;
  out += field_table(describe(globals));
  for (const std::string& group : groups_of(commands)) {
    out += fmt::format("\n## {}\n", group);
    for (const CommandSpec& c : commands) {
      if (c.group != group) continue;
      out += fmt::format("\n### anomctl {}\n\n{}\n", c.name, c.summary);
      const auto bound = c.make();
      if (const auto fields = bound->fields(); !fields.empty()) out += "\n" + field_table(fields);
      if (c.examples.empty()) continue;
      out += fmt::format("\n```\n{}\n```\n", fmt::join(c.examples, "\n"));
    }
  }
  return out;
}

std::string man_page(const std::vector<CommandSpec>& commands) {
  std::string out = fmt::format(
      ".TH ANOMCTL 1 \"\" \"anomctl {}\" \"User commands\"\n.SH NAME\nanomctl \\- from sensor readings to live, "
      "explained "
      "alerts\n.SH SYNOPSIS\n.B anomctl\n[GLOBAL] COMMAND [OPTIONS]\n.SH DESCRIPTION\nTakes sensor readings from files "
      "or "
      "MQTT, trains a detector on them, and reports anomalies with their causes.\n"
      "A setting has one name everywhere: flag \\-\\-window\\-size, environment ANOMCTL_WINDOW_SIZE, key window_size "
      "in "
      "the\ntable of its command in the \\-\\-config file. A flag beats the environment, which beats the file.\n"
      ".SH GLOBAL OPTIONS\n",
      program_version());
  GlobalOptions globals;
  out += man_fields(describe(globals));
  for (const std::string& group : groups_of(commands)) {
    out += fmt::format(".SH {}\n", troff(capitals(group)));
    for (const CommandSpec& c : commands) {
      if (c.group != group) continue;
      out += fmt::format(".SS anomctl {}\n{}\n", troff(c.name), troff(c.summary));
      const auto bound = c.make();
      out += man_fields(bound->fields());
      for (const std::string& example : c.examples) out += fmt::format(".PP\n.RS\n.nf\n{}\n.fi\n.RE\n", troff(example));
    }
  }
  out +=
      ".SH EXIT STATUS\n0 done; 1 failed; 2 wrong usage or configuration; 3 done, but a bound given with "
      "\\-\\-fail\\-on "
      "is missed;\n4 input data or a file is unusable; 5 another service cannot be reached; 130 or 143 ended by SIGINT "
      "or SIGTERM.\n";
  return out;
}

CommandSpec reference_command() {
  return make_command<ReferenceOptions>(
      "reference", "Tools", "Print the reference of all commands, or a settings file",
      {"anomctl reference --format toml train > train.toml", "anomctl reference --format man > anomctl.1"},
      print_reference);
}

}  // namespace anomctl
