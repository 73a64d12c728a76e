// Where a training keeps its checkpoint, and takes over an earlier one's. Private to train. Thread rule: free function.
#pragma once

#include "anomctl/core/files.h"
#include "anomctl/registry/run_store.h"

namespace anomctl {

enum class Resume {
  no,
  latest_checkpoint,  // of the experiment's runs, the latest that left one
  last_run            // only of the run before this one: a launcher has started the training anew
};

struct CheckpointFolder {
  fs::path folder;
  fs::path taken_from;  // where it was before; empty: it is new
  // Where the training refuses it: back to the run that it belongs to.
  void give_back() const;
};

// Beside the run's metrics: MLflow's client takes a folder at the top of its store for an experiment. A checkpoint that is
// taken over moves here.
CheckpointFolder checkpoint_folder(const RunInfo& run, RunStore& store, Resume resume);

}  // namespace anomctl
