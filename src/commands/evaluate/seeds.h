// Trainings that differ in their seed alone: what one of them shows may be luck. Thread rule: free functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anomctl/registry/run_store.h"
#include "commands/evaluate/comparison.h"

namespace anomctl {

// `run` and the newest `count` - 1 finished runs of its experiment with its settings and other seeds. Throws UsageError
// that says what to train where there are fewer.
std::vector<RunInfo> runs_of_seeds(RunStore& store, const RunInfo& run, std::int64_t count);

// Means over comparisons of the same detectors, best PR-AUC first; each figure `x` has beside it `x_interval`, half the
// width of the 95 % interval of its mean (Student). Detectors that not all of them know are left out. Requires: two or
// more comparisons.
std::vector<ComparedDetector> mean_over_seeds(const std::vector<std::vector<ComparedDetector>>& comparisons);

}  // namespace anomctl
