// Sends runs that are kept here to a tracking server. Thread rule: a free function, one at a time a run.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/registry/run_store.h"

namespace anomctl {

struct SyncedRun {
  RunInfo run;
  std::string server_id;                               // its id on the server
  std::string trouble;                                 // why it is not there as it is here; empty: it is
  std::int64_t values = 0, points = 0, artifacts = 0;  // sent: parameters and tags, points of metrics, files
  bool was_complete = false;                           // nothing was missing there
};
using SyncReport = std::vector<SyncedRun>;

// What the server at `tracking_uri` lacks of the runs in `tracking_dir`, oldest first; of one run when it is named.
// Throws Error(unreachable) when the server does not answer.
SyncReport sync_runs(const TrackingSettings& settings, const std::string& run, std::stop_token stop);

}  // namespace anomctl
