// `anomctl generate`: a table, a data set or a simulated plant as an MQTT stream.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/roles/generate.h"
#include "commands/command.h"
#include "commands/heartbeat.h"

namespace anomctl {

struct GenerateOptions {
  std::string dataset;
  fs::path datasets_dir = "datasets";
  std::string split = "eval";
  fs::path input;
  std::string plant;
  std::vector<std::string> columns;
  HeartbeatSettings heartbeat;
  GenerateSettings role;

  static void fields(auto& self, auto&& field) {
    field("dataset", self.dataset, "data set whose rows are sent (default: the only one, else the newest)");
    field("datasets_dir", self.datasets_dir, "folder that holds the data sets");
    field("split", self.split, "its part", OneOf{{"eval", "train"}});
    field("input", self.input, "a CSV file instead, with or without header; - is standard input");
    field("plant", self.plant,
          "a simulated plant instead: pump-loop, mixing-station, linear-plant or nonlinear-plant, without end unless "
          "rows says when");
    field("columns", self.columns, "columns of the file to send (default: all but the time)");
    HeartbeatSettings::fields(self.heartbeat, field);
    GenerateSettings::fields(self.role, field);
  }
};

// A fault that was put into the readings of an asset.
struct AssetFault {
  std::string asset;
  InjectedFault fault;
};

// Sends until done or stopped. Throws Error.
GenerateCounts generate(const GenerateOptions& options, Progress& progress, std::stop_token stop,
                        std::vector<AssetFault>* faults = nullptr);
CommandSpec generate_command();

}  // namespace anomctl
