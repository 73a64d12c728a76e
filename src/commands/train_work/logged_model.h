// The bundle of a run as a model that MLflow loads: beside bundle.json an MLmodel file and a loader in Python that runs
// this program. Thread rule: free functions.
#pragma once

#include "anomctl/core/files.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/registry/run_store.h"

namespace anomctl {

// Saves the bundle to `folder` (its MLmodel names the run), and tells the run of its model, so that MLflow's page shows
// it.
void save_logged_model(const Bundle& bundle, const fs::path& folder, Run& run);

}  // namespace anomctl
