// `anomctl score`: scores of a CSV file's rows by a bundle; on the CPU without libtorch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"
#include "anomctl/registry/tracking_settings.h"
#include "commands/command.h"

namespace anomctl {

struct ScoreOptions {
  fs::path bundle;
  std::string run, model;
  TrackingSettings tracking;
  fs::path input = "-";
  fs::path output = "-";
  bool details = false;
  std::string compat = "none";
  std::optional<double> threshold;
  std::string budget;
  double max_gap_periods = 5;
  std::int64_t healthy_start = 0;
  std::int64_t batch_size = 64;
  std::string device = "auto";

  static void fields(auto& self, auto&& field) {
    field("bundle", self.bundle, "folder of the bundle (default: that of the run)");
    field("run", self.run, "run whose bundle scores: id, name, -1 for the latest (the default)");
    field("model", self.model, "registered model that scores: NAME@champion, NAME/3");
    TrackingSettings::fields(self.tracking, field);
    field("input", self.input, "CSV file with the bundle's columns, with or without header; - is standard input");
    field("output", self.output, "CSV file to write: row,score,is_anomaly; - is standard output");
    field("details", self.details, "also forecast, reconstruction, actual value and score of each sensor, in its unit");
    field("compat", self.compat, "reference: the score as the Python original computes it",
          OneOf{{"none", "reference"}});
    field("threshold", self.threshold, "limit for is_anomaly instead of the bundle's");
    field("budget", self.budget, "the limit for so many false episodes: 1/week, also hour, day, month");
    field("max_gap_periods", self.max_gap_periods, "a longer pause between stamps starts the window anew, 0: never",
          Between{0, 1e9});
    field(
        "healthy_start", self.healthy_start,
        "so many rows at the start of a run are taken to be healthy: the panel is centred on them, within bounds, and "
        "no score gets higher by it; 0: none",
        Between{0, 1e6});
    field("batch_size", self.batch_size, "windows computed at once", Between{1, 65536});
    field("device", self.device, "auto, cpu, cuda or cuda:N");
  }
};

struct ScoreCounts {
  std::int64_t rows = 0, scored = 0, anomalous = 0, missing_cells = 0, gaps = 0;
};
ScoreCounts score(const ScoreOptions& options, Context& context);
CommandSpec score_command();

}  // namespace anomctl
