// The run store of a folder, with what only the store of a server needs. Private to registry. Thread rule: that of
// RunStore.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "anomctl/registry/run_store.h"

namespace anomctl {

using RunHistories = std::map<std::string, std::vector<MetricPoint>>;

class LocalRunStore : public RunStore {
 public:
  virtual const fs::path& root() const = 0;
  // A run of elsewhere as one of here, under its id, without artifacts.
  virtual void adopt(const RunInfo& run, const RunHistories& histories) = 0;
};

std::unique_ptr<LocalRunStore> open_local_run_store(const fs::path& root, const Clock& clock);

// RunStore::find among `runs`, newest first.
RunInfo find_run(const std::vector<RunInfo>& runs, const std::string& reference, const std::string& where);

}  // namespace anomctl
