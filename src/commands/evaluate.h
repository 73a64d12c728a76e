// `anomctl evaluate`: judges a data set's eval rows with a bundle, chooses its limit, writes figures, scores and a
// report.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/detection/episodes.h"
#include "anomctl/detection/thresholds.h"
#include "anomctl/registry/tracking_settings.h"
#include "commands/command.h"

namespace anomctl {

struct EvaluateOptions {
  std::string run;
  fs::path bundle;
  std::string dataset;
  fs::path datasets_dir = "datasets";
  TrackingSettings tracking;
  fs::path output;
  std::string threshold_method = "pot";
  std::optional<double> threshold;
  std::string budget;
  PotSettings pot;
  int epsilon_reg_level = 1;
  std::optional<double> ewma_span;
  EpisodeSettings episodes;
  std::int64_t healthy_start = 0;
  std::string protocol = "live";
  std::string compat = "none";
  bool legacy_pa = false;
  std::string compare = "auto";
  std::int64_t seeds = 1;
  bool update_bundle = true;
  int batch_size = 256;
  std::vector<std::string> fail_on;

  static void fields(auto& self, auto&& field) {
    field("run", self.run, "run whose bundle is judged: id, name, -1 for the latest (the default)", Alias{"run_name"});
    field("bundle", self.bundle, "folder of a bundle, instead of a run");
    field("dataset", self.dataset, "data set to judge (default: the one the run was trained on)");
    field("datasets_dir", self.datasets_dir, "folder that holds the data sets");
    TrackingSettings::fields(self.tracking, field);
    field("output", self.output, "folder for metrics.json, scores.csv and report.html, beside the run's artifacts");
    field("threshold_method", self.threshold_method,
          "how the limit is chosen from train scores; best-f1 looks at the labels of eval, keep leaves the bundle's",
          OneOf{{"pot", "epsilon", "best-f1", "keep"}});
    field("threshold", self.threshold, "this limit instead of a chosen one");
    field("budget", self.budget, "the limit for so many false episodes instead: 1/week, also hour, day, month");
    PotSettings::fields(self.pot, field);
    field("epsilon_reg_level", self.epsilon_reg_level,
          "epsilon: how strongly many rows over the limit count against it", Between{0, 2}, Alias{"reg_level"});
    field("ewma_span", self.ewma_span, "smooth scores by an EWMA of this span, in rows (default: as the bundle says)",
          Between{1, 1e9});
    EpisodeSettings::fields(self.episodes, field);
    field(
        "healthy_start", self.healthy_start,
        "so many rows at the start of a run are taken to be healthy: the panel is centred on them, within bounds, and "
        "no score gets higher by it; 0: none",
        Between{0, 1e6});
    field("protocol", self.protocol,
          "live: windows never cross a border of runs; shared: eval follows train and is one series",
          OneOf{{"live", "shared"}});
    field("compat", self.compat, "reference: score, limits and figures as the Python reference computes them",
          OneOf{{"none", "reference"}});
    field("legacy_pa", self.legacy_pa, "also print point-adjusted figures (they flatter)");
    field(
        "compare", self.compare,
        "the same figures for members, cheap detectors and MTAD-GAT untrained; auto leaves out what needs more passes "
        "of MTAD-GAT where there are over 50,000 rows",
        OneOf{{"auto", "all", "none"}});
    field(
        "seeds", self.seeds,
        "judge this many trainings that differ in their seed alone, and give the mean of each figure of the comparison "
        "with its 95 % interval",
        Between{1, 100});
    field("update_bundle", self.update_bundle, "write the limit into the bundle");
    field("batch_size", self.batch_size, "windows judged at once", Between{1, 65'536});
    field("fail_on", self.fail_on, "bound that ends with exit code 3, for example 'pr_auc<0.6'; may be repeated");
  }
};

// All the work, figures into context.result. Returns the exit code: 3 where a bound of fail_on is missed.
int evaluate(const EvaluateOptions& options, Context& context);
CommandSpec evaluate_command();

}  // namespace anomctl
