#include "commands/program.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "commands/command_line.h"
#include "commands/help.h"
#include "commands/terminal_progress.h"

namespace anomctl {
namespace {

LogLevel level_named(const std::string& name) {
  if (name == "debug") return LogLevel::debug;
  if (name == "warning") return LogLevel::warning;
  return name == "error" ? LogLevel::error : LogLevel::info;
}

void configure(const GlobalOptions& globals) {
  LogSettings log;
  log.level = level_named(globals.log_level);
  if (globals.verbose) log.level = LogLevel::debug;
  if (globals.quiet) log.level = std::max(log.level, LogLevel::warning);
  log.json = globals.log_format == "json";
  const char* no_color = std::getenv("NO_COLOR");
  log.color = !log.json && stderr_progress_settings().terminal && (no_color == nullptr || *no_color == '\0');
  configure_log(log);
}

// Splits the flags of the line into the global ones and the command's own.
GivenFlags take_named(GivenFlags& flags, const std::vector<Field>& fields) {
  GivenFlags taken;
  for (const Field& field : fields) {
    if (auto node = flags.extract(field.name)) taken.insert(std::move(node));
  }
  return taken;
}

std::vector<Field> together(std::vector<Field> fields, const std::vector<Field>& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

// Global settings are told by flag and environment first, because one of them names the file that may hold the rest.
void resolve_globals(GlobalOptions& globals, const GivenFlags& flags, TomlFile& file) {
  const auto fields = describe(globals);
  Sources sources{"", nullptr, process_environment(), flags};
  resolve(fields, sources);
  if (globals.config.empty()) return;
  file = read_toml(globals.config);
  check_tables(file, all_commands());
  sources.file = &file;
  resolve(fields, sources);
}

void report(const Error& error, const GlobalOptions& globals) {
  set_status_line("");
  if (*error.what() == '\0') return;  // whoever read our output has left
  if (globals.log_format == "json") {
    log_line(LogLevel::error, error.what());
  } else {
    std::fprintf(stderr, "anomctl: error: %s\n", error.what());
  }
  if (globals.verbose && !error.detail().empty()) std::fprintf(stderr, "%s\n", error.detail().c_str());
  if (!globals.json) return;
  Json document = Json::object();
  document["error"] = error.what();
  document["exit_code"] = static_cast<int>(error.code());
  std::puts(document.dump(2).c_str());
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int run_command(const CommandSpec& spec, BoundCommand& bound, GivenFlags flags, const GlobalOptions& globals,
                const TomlFile& file, StopSignal& stop) {
  const auto fields = bound.fields();
  Sources sources{spec.name, globals.config.empty() ? nullptr : &file, process_environment(), std::move(flags)};
  resolve(fields, sources);

  NoProgress no_progress;
  TerminalProgress terminal(stderr_progress_settings(), system_clock());
  const bool shown = !globals.quiet;
  Context context(shown ? static_cast<Progress&>(terminal) : no_progress, stop, globals.json);
  context.config = globals.config;
  const int code = bound.run(context);
  set_status_line("");
  if (globals.json) print(context.result.dump(2) + "\n");
  return code;
}

// A misspelt name in the environment would be ignored in silence: other programs' names stand there too, so only what is
// close to a setting's is told.
void warn_of_misspelt_environment() {
  static const std::string kPrefix = "ANOMCTL_";
  std::vector<std::string> given;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (text.starts_with(kPrefix)) given.emplace_back(text.substr(kPrefix.size(), text.find('=') - kPrefix.size()));
  }
  if (given.empty()) return;
  GlobalOptions globals;
  std::vector<Field> fields = describe(globals);
  std::vector<std::string> known = {"LIBTORCH", "LIBARROW", "MODULE_DIR", "PREFIX", "ISA", "BIN"};
  for (const CommandSpec& command : all_commands()) {
    const auto bound = command.make();
    for (const Field& field : bound->fields()) {
      std::string name = field.name;
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
      known.push_back(name);
      known.push_back(name + "_FILE");
    }
  }
  for (const std::string& name : given) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    if (const auto close = nearest(name, known))
      log_warning("{}{} in the environment is no setting: did you mean {}{}?", kPrefix, name, kPrefix, *close);
  }
}

// Everything but the last resort for exceptions; `globals` tells the caller how to report them.
int run_line(const std::vector<std::string>& arguments, GlobalOptions& globals, StopSignal& stop) {
  const auto global_fields = describe(globals);
  std::size_t at = find_command_word(arguments, global_fields);
  const std::vector<std::string> before(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(at));
  bool wants_help = false;
  if (at < arguments.size() && arguments[at] == "help") {
    wants_help = true;
    ++at;
  }
  const std::string first_word = at < arguments.size() ? arguments[at] : "";
  const CommandSpec* spec = nullptr;
  std::unique_ptr<BoundCommand> bound;
  std::vector<Field> fields = global_fields;
  if (!first_word.empty()) {
    spec = find_command(arguments, at, all_commands());
    if (spec != nullptr) {
      bound = spec->make();
      fields = together(bound->fields(), global_fields);
    }
  }
  std::vector<std::string> rest = before;
  rest.insert(rest.end(), arguments.begin() + static_cast<std::ptrdiff_t>(at), arguments.end());
  GivenFlags flags = split_command_line(rest, fields);
  TomlFile file;
  resolve_globals(globals, take_named(flags, global_fields), file);
  configure(globals);

  if (globals.version) {
    if (globals.json)
      print(Json(Json::Object{{"version", program_version()}}).dump(2) + "\n");
    else
      print("anomctl " + program_version() + "\n");
    return 0;
  }
  if (spec != nullptr && !globals.help && !wants_help) {
    warn_of_misspelt_environment();
    return run_command(*spec, *bound, std::move(flags), globals, file, stop);
  }
  if (spec != nullptr) {
    print(command_help(*spec));
  } else {
    const std::string help = first_word.empty() ? program_help(all_commands()) : group_help(first_word, all_commands());
    if (!globals.help && !wants_help) {
      std::fwrite(help.data(), 1, help.size(), stderr);
      return static_cast<int>(ExitCode::usage);
    }
    print(help);
  }
  return 0;
}

}  // namespace

void check_tables(const TomlFile& file, const std::vector<CommandSpec>& commands) {
  std::vector<std::string> known;
  for (const CommandSpec& command : commands) known.push_back(canonical_name(command.name));
  for (const auto& [name, table] : file.tables) {
    // The table of globals, and tables inside a command's table.
    const std::string word = canonical_name(name.substr(0, name.find('.')));
    if (word.empty() || std::find(known.begin(), known.end(), word) != known.end()) continue;
    const auto close = nearest(word, known);
    const int line = table.empty() ? 0 : table.begin()->second.line;
    throw UsageError(fmt::format("{}{}: table [{}] names no command{}", file.path,
                                 line > 0 ? fmt::format(":{}", line) : "", name,
                                 close ? fmt::format(": did you mean [{}]?", *close) : ""));
  }
}

const CommandSpec* find_command(const std::vector<std::string>& arguments, std::size_t& at,
                                const std::vector<CommandSpec>& commands) {
  const std::string first = canonical_name(arguments[at]);
  const bool has_second = at + 1 < arguments.size() && !arguments[at + 1].starts_with("-");
  const std::string both = has_second ? first + "_" + canonical_name(arguments[at + 1]) : first;
  bool leads = false;
  for (const CommandSpec& command : commands) {
    const std::string name = canonical_name(command.name);
    const bool two_words = command.name.find(' ') != std::string::npos;
    if (!two_words && name == first) return at += 1, &command;
    if (two_words && has_second && name == both) return at += 2, &command;
    leads = leads || (two_words && name.starts_with(first + "_"));
  }
  std::vector<std::string> known;
  for (const CommandSpec& command : commands) known.push_back(command.name);
  if (leads && !has_second) return at += 1, nullptr;
  const std::string given = arguments[at] + (leads ? " " + arguments[at + 1] : "");
  const auto close = nearest(given, known);
  throw UsageError(fmt::format("unknown command '{}': {}", given,
                               close ? fmt::format("did you mean '{}'?", *close) : "see anomctl --help"));
}

int run_command_line(const std::vector<std::string>& arguments) {
  StopSignal stop;
  GlobalOptions globals;
  // An error in the line itself is reported as asked, too.
  for (const std::string& argument : arguments) {
    globals.json = globals.json || argument == "--json";
    globals.verbose = globals.verbose || argument == "--verbose";
  }
  int code = static_cast<int>(ExitCode::failed);
  try {
    code = run_line(arguments, globals, stop);
    if (std::fflush(stdout) != 0 && errno != EPIPE) throw failed("the results could not be written to stdout");
  } catch (const Error& error) {
    report(error, globals);
    code = static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    report(failed("out of memory: use less data at once, or a machine with more memory"), globals);
  } catch (const std::exception& error) {
    report(failed(error.what()), globals);
  }
  return stop.exit_code(code);
}

}  // namespace anomctl
