// `anomctl models import`: a bundle of what the Python original trained, from its weights or from its MLflow run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"
#include "anomctl/core/time.h"
#include "commands/command.h"

namespace anomctl {

struct ImportOptions {
  fs::path weights, settings, mlflow_run, scaler, output;
  std::vector<std::string> columns;
  std::string name;
  Duration period = seconds(1);
  std::optional<double> threshold;

  static void fields(auto& self, auto&& field) {
    field("weights", self.weights,
          "weights with the reference's key names: safetensors, or a state_dict as torch.save writes it (.pt)");
    field("settings", self.settings, "JSON file with the network's settings; a run's config.txt is one");
    field("mlflow_run", self.mlflow_run,
          "folder of an MLflow run of the Python original, with config.txt, thresholds.json and the model, instead of "
          "--weights and --settings");
    field("output", self.output, "folder of the new bundle", Required{});
    field("columns", self.columns, "names of the sensors in order (default: c0, c1, ...)");
    field("scaler", self.scaler, "JSON file: {\"kind\":\"none\"|\"minmax\"|\"standard\", ...} (default: none)");
    field("name", self.name, "name of the bundle (default: that of the output folder, or of a run's data set)");
    field("period", self.period, "time between rows");
    field("threshold", self.threshold, "limit of the score (default: a run's, else none)");
  }
};

CommandSpec models_import_command();

}  // namespace anomctl
