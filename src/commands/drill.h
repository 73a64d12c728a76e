// `anomctl drill`: what a bundle would not see, found with faults in the user's own normal rows.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/registry/tracking_settings.h"
#include "commands/command.h"

namespace anomctl {

struct DrillOptions {
  std::string run;
  fs::path bundle;
  std::string dataset;
  fs::path datasets_dir = "datasets";
  TrackingSettings tracking;
  fs::path output = "drill";
  std::string part = "auto";
  std::vector<std::string> sensors;
  std::vector<std::string> kinds = {"offset", "drift", "noise", "stuck", "replay"};
  std::vector<double> sizes = {0.5, 1, 2, 4, 8};
  std::int64_t fault_rows = 60;
  std::int64_t places = 5;
  std::optional<double> threshold;
  std::string budget;
  std::uint64_t seed = 1;

  static void fields(auto& self, auto&& field) {
    field("run", self.run, "run whose bundle is drilled: id, name, -1 for the latest (the default)");
    field("bundle", self.bundle, "folder of a bundle, instead of a run");
    field("dataset", self.dataset, "data set whose normal rows are used (default: the one the run was trained on)");
    field("datasets_dir", self.datasets_dir, "folder that holds the data sets");
    TrackingSettings::fields(self.tracking, field);
    field("output", self.output, "folder for drill.html and drill.json");
    field("part", self.part, "rows that faults are put into; auto: normal rows of eval, where they suffice",
          OneOf{{"auto", "train", "eval"}});
    field("sensors", self.sensors, "these sensors only");
    field("kinds", self.kinds, "faults: offset, drift, noise, spike (by size), stuck, replay, dead");
    field("sizes", self.sizes, "sizes, in standard deviations of the sensor on train rows");
    field("fault_rows", self.fault_rows, "rows that a fault lasts", Between{1, 1e6});
    field("places", self.places, "places of the normal rows that each fault is tried in", Between{1, 1000});
    field("threshold", self.threshold, "this limit instead of the bundle's");
    field("budget", self.budget, "the limit for so many false episodes instead: 1/week, also hour, day, month");
    field("seed", self.seed, "of noise and spikes");
  }
};

CommandSpec drill_command();

}  // namespace anomctl
