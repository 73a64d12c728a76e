// `anomctl demo`: the whole way from sensor readings to live alerts, on this machine alone.
#pragma once

#include <string>

#include "anomctl/core/files.h"
#include "anomctl/roles/dashboard.h"
#include "commands/command.h"

namespace anomctl {

struct DemoOptions {
  bool quick = false;
  std::string dataset;
  fs::path datasets_dir = "datasets";
  fs::path output = "anomctl-demo";
  std::uint64_t seed = 1;
  double rate = 100;
  bool stay = false;
  DashboardSettings dashboard;

  static void fields(auto& self, auto&& field) {
    field("quick", self.quick, "under a minute, with a small network");
    field("dataset", self.dataset, "this data set instead of the simulated pump");
    field("datasets_dir", self.datasets_dir, "folder that holds the data sets");
    field("output", self.output, "folder for the data set, the run, the report and the alerts");
    field("seed", self.seed, "another plant, other faults, other weights");
    field("rate", self.rate, "rows a second of the live part", Between{1, 100'000});
    field("stay", self.stay, "after the end the page stays until you end the program");
    DashboardSettings::fields(self.dashboard, field);
  }
};

CommandSpec demo_command();

}  // namespace anomctl
