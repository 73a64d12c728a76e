#include "anomctl/registry/run_bundle.h"

#include "anomctl/core/error.h"
#include "anomctl/detection/bundle.h"

namespace anomctl {

fs::path bundle_of_run(RunStore& store, const RunInfo& run) {
  auto folder = store.fetch(run, kRunBundleFolder);
  if (fs::exists(folder / kBundleFile)) return folder;
  throw input_error("run " + run.name + " (" + run.id + ", " + run.status + ") has no bundle at " + folder.string() +
                    "; choose another run with --run ('anomctl runs list'), or a folder with --bundle");
}

BundleChoice choose_bundle(const fs::path& bundle, const std::string& run, const TrackingSettings& tracking,
                           const std::string& experiment) {
  if (!bundle.empty() && !run.empty()) throw UsageError("--bundle and --run are given: give one of them");
  if (!bundle.empty()) return {bundle, std::nullopt};
  const auto store = open_run_store(tracking);
  auto found = store->find(run.empty() ? "-1" : run, experiment);
  auto folder = bundle_of_run(*store, found);
  return {std::move(folder), std::move(found)};
}

}  // namespace anomctl
