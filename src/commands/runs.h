// `anomctl runs list|show|compare`: the tracked runs.
#pragma once

#include <string>

#include "commands/command.h"

namespace anomctl {

struct RunsListOptions {
  std::string dataset;
  std::string tracking_uri = "mlruns";

  static void fields(auto& self, auto&& field) {
    field("dataset", self.dataset, "only runs on this data set");
    field("tracking_uri", self.tracking_uri, "folder that holds the runs");
  }
};

struct RunsShowOptions {
  std::string run;
  std::string tracking_uri = "mlruns";

  static void fields(auto& self, auto&& field) {
    field("run", self.run, "id, the beginning of one, name, -1 for the latest, -2 for the one before", Required{},
          Positional{});
    field("tracking_uri", self.tracking_uri, "folder that holds the runs");
  }
};

struct RunsCompareOptions {
  std::string first, second;
  std::string tracking_uri = "mlruns";

  static void fields(auto& self, auto&& field) {
    field("first", self.first, "a run: id, the beginning of one, name, -1 for the latest", Required{}, Positional{});
    field("second", self.second, "the run beside it", Required{}, Positional{});
    field("tracking_uri", self.tracking_uri, "folder that holds the runs");
  }
};

CommandSpec runs_list_command();
CommandSpec runs_show_command();
CommandSpec runs_compare_command();

}  // namespace anomctl
