// An MLflow run folder that the Python original (srigas/MTAD-GAT-mlflow) left behind, as MLflow 2 and 3 keep it.
// Thread rule: free functions.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "anomctl/core/files.h"

namespace anomctl {

struct OriginalRun {
  fs::path config;                 // config.txt: all arguments of its train.py, as JSON
  fs::path weights;                // the logged model's model.pth, or a .pt or .safetensors file among the artifacts
  std::optional<fs::path> scaler;  // scaler.json; the original has none
  std::map<std::string, double> thresholds;  // by our names: pot, epsilon, best-f1, best-f1-adjusted
  std::string chosen;                        // pot where it is known, as the original's predict.py takes it
};

// `folder` is the run's, or that of its artifacts. Throws Error(bad_input) that names what is missing, or what there is
// more than one of.
OriginalRun find_original_run(const fs::path& folder);

}  // namespace anomctl
