// A run's bundle, and the same as a model that MLflow loads: a folder with an MLmodel file, the bundle, and a loader in Python that runs
// this program. It stands beside the run's bundle, which itself holds no code. Thread rule: free functions.
#pragma once

#include "anomctl/detection/bundle.h"
#include "anomctl/registry/run_store.h"

namespace anomctl {

inline constexpr const char* kLoggedModelFolder = "model";  // among a run's artifacts
inline constexpr const char* kLoggedModelFile = "MLmodel";

// Logs both as artifacts of the run, and tells the run of its model, so that MLflow's page shows it.
void log_bundle(const Bundle& bundle, Run& run);

}  // namespace anomctl
