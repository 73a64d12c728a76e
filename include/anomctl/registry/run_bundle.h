// Where a run keeps its bundle, and which bundle a command means by --bundle and --run. Thread rule: free functions.
#pragma once

#include <optional>
#include <string>

#include "anomctl/registry/run_store.h"

namespace anomctl {

// The folder in a run's artifacts that holds its bundle: train logs it there.
inline constexpr const char* kRunBundleFolder = "bundle";

// Throws Error(bad_input) when the run has no bundle (it failed, or another program made it).
fs::path bundle_of_run(RunStore& store, const RunInfo& run);

struct BundleChoice {
  fs::path folder;
  std::optional<RunInfo> run;  // empty when --bundle named a folder
};
// `bundle` when it is given, else the bundle of `run` (empty: -1) in the store of `tracking`, fetched from a server; with
// `experiment` among its runs only. Throws UsageError when both are given.
BundleChoice choose_bundle(const fs::path& bundle, const std::string& run, const TrackingSettings& tracking,
                           const std::string& experiment = {});

}  // namespace anomctl
