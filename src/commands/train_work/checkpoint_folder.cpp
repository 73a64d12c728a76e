#include "commands/train_work/checkpoint_folder.h"

#include <fmt/core.h>

#include <system_error>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"

namespace anomctl {

void CheckpointFolder::give_back() const {
  std::error_code error;
  if (!taken_from.empty()) fs::rename(folder, taken_from, error);
  if (error) log_warning("the checkpoint stays in {}: {}", folder.string(), error.message());
}

CheckpointFolder checkpoint_folder(const RunInfo& run, RunStore& store, Resume resume) {
  const auto within = [](const RunInfo& r) { return r.artifacts.parent_path() / "checkpoint"; };
  const fs::path folder = within(run);
  if (resume == Resume::no) return {folder, {}};
  for (const RunInfo& earlier : store.list(run.experiment)) {
    if (earlier.id == run.id) continue;
    if (!fs::exists(within(earlier))) {
      if (resume == Resume::last_run) break;
      continue;
    }
    std::error_code error;
    fs::rename(within(earlier), folder, error);
    if (error) throw failed(fmt::format("cannot take over {}: {}", within(earlier).string(), error.message()));
    if (earlier.status == "RUNNING") store.open(earlier.id)->finish("KILLED");
    log_info("the checkpoint of run {}", earlier.name);
    return {folder, within(earlier)};
  }
  return {folder, {}};
}

}  // namespace anomctl
