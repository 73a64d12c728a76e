// One subcommand: a name, its settings and its work. A pair of files a subcommand defines `CommandSpec
// <name>_command()`; commands.cpp lists them; program.cpp runs them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/json.h"
#include "anomctl/core/progress.h"
#include "anomctl/core/stop.h"

namespace anomctl {

// What main gives to a command. stdout carries results only: `text` lines for people, or with --json the one document
// `result`.
class Context {
 public:
  Context(Progress& progress, StopSignal& stop, bool json) : progress_(progress), stop_(stop), json_(json) {}
  Progress& progress() { return progress_; }
  StopSignal& stop() { return stop_; }
  bool json() const { return json_; }
  // A line (or lines) of the result for people; nothing with --json.
  void text(std::string_view line) const;
  // The document that --json prints when the command returns.
  Json result = Json::object();
  std::string config;  // the settings file of --config, empty without one

 private:
  Progress& progress_;
  StopSignal& stop_;
  bool json_;
};

// The settings of one invocation, bound to the work.
class BoundCommand {
 public:
  virtual ~BoundCommand() = default;
  virtual std::vector<Field> fields() = 0;
  virtual int run(Context& context) = 0;  // the exit code
};

struct CommandSpec {
  std::string name;                   // "train", "models import"
  std::string group;                  // heading in --help: "Data and models", "Live", "Deployment", "Tools"
  std::string summary;                // one line
  std::vector<std::string> examples;  // whole command lines
  std::function<std::unique_ptr<BoundCommand>()> make;
};

// O has fields(); `work` is int(const O&, Context&) and throws Error or UsageError.
template <class O>
CommandSpec make_command(std::string name, std::string group, std::string summary, std::vector<std::string> examples,
                         int (*work)(const O&, Context&)) {
  class Bound : public BoundCommand {
   public:
    explicit Bound(int (*w)(const O&, Context&)) : work_(w) {}
    std::vector<Field> fields() override { return describe(options_); }
    int run(Context& context) override {
      // Calls to a tracking server end when the command is stopped: such a server may never answer.
      if constexpr (requires { options_.tracking.stop; }) options_.tracking.stop = context.stop().token();
      if constexpr (requires { options_.where.tracking.stop; }) options_.where.tracking.stop = context.stop().token();
      return work_(options_, context);
    }

   private:
    O options_;
    int (*work_)(const O&, Context&);
  };
  return {std::move(name), std::move(group), std::move(summary), std::move(examples),
          [work] { return std::make_unique<Bound>(work); }};
}

const std::vector<CommandSpec>& all_commands();

}  // namespace anomctl
