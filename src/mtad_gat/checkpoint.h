// The state of a training between two epochs, on disk: checkpoint.safetensors, then checkpoint.json, each atomically.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/core/json.h"
#include "anomctl/model/training.h"

namespace anomctl {

struct Checkpoint {
  TensorMap weights, best, first, second;  // parameters now, of the best epoch, Adam's moments
  std::int64_t steps = 0, best_epoch = 0, waited = 0;
  double best_loss = 0;
  std::vector<EpochLosses> epochs;
  std::string fingerprint;  // of settings, options and rows: another training's checkpoint is not gone on from
};

// All but the tensors, as text: what checkpoint.json holds, and what processes that train together tell each other.
Json progress_of(const Checkpoint& checkpoint);
void read_progress(const Json& j, Checkpoint& into);

void save_checkpoint(const Checkpoint& checkpoint, const fs::path& folder);
// Nothing when there is none, or the fingerprint differs (which is logged).
std::optional<Checkpoint> load_checkpoint(const fs::path& folder, const std::string& fingerprint);

}  // namespace anomctl
