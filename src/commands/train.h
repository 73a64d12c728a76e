// `anomctl train`: fits a detector on a data set's train rows, as a tracked run.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/detection/score.h"
#include "anomctl/model/mtad_gat_settings.h"
#include "anomctl/model/panel.h"
#include "anomctl/model/relation_network.h"
#include "anomctl/model/training.h"
#include "anomctl/registry/tracking_settings.h"
#include "commands/command.h"

namespace anomctl {

struct TrainOptions {
  std::string dataset;
  fs::path datasets_dir = "datasets";
  std::string kind = "auto";
  std::string run_name;
  TrackingSettings tracking;
  fs::path output;
  std::string scaler = "standard";
  bool resume = false;
  MtadGatSettings network = {.linear_rows = 3};
  TrainerOptions trainer;
  ScoreSettings score;
  PanelSettings panel;
  RelationSettings relation;

  static void fields(auto& self, auto&& field) {
    field("dataset", self.dataset, "data set to train on (default: the only one, else the newest)", Positional{});
    field("datasets_dir", self.datasets_dir, "folder that holds the data sets");
    field("kind", self.kind, "what is trained: mtad-gat alone, the panel alone, or both in one bundle (auto)",
          OneOf{{"auto", "mtad-gat", "panel"}});
    field("run_name", self.run_name, "name of the run (default: a random one)");
    TrackingSettings::fields(self.tracking, field);
    field("output", self.output, "also write the bundle to this folder");
    field("scaler", self.scaler, "scaling of the network's inputs, fitted on train rows (compat reference: none)",
          OneOf{{"standard", "minmax", "none"}});
    field("resume", self.resume,
          "go on from the checkpoint of a training with the same settings and data that was killed");
    MtadGatSettings::fields(self.network, field);
    TrainerOptions::fields(self.trainer, field);
    ScoreSettings::fields(self.score, field);
    PanelSettings::fields(self.panel, field);
    RelationSettings::fields(self.relation, field);
  }
};

// Throws UsageError for what no single setting can tell.
void validate(const TrainOptions& options);

struct TrainedRun {
  std::string run_id, run_name;
  fs::path bundle;                  // in the run's artifacts
  std::vector<EpochLosses> epochs;  // of the network, empty for kind panel
  std::int64_t best_epoch = 0;
  double windows_per_second = 0;
  std::map<std::string, double> thresholds;
  std::string chosen_threshold;
  std::string findings;  // one sentence on what the relation network found, empty without the panel
  bool stopped = false;
};
// `world`: this process's place among those that train the network together; rank 0 alone makes a run and a bundle.
TrainedRun train(const TrainOptions& options, Progress& progress, std::stop_token stop, const World& world = {});

CommandSpec train_command();

}  // namespace anomctl
