#include "anomctl/registry/run_sync.h"

#include <algorithm>

#include "anomctl/core/error.h"
#include "registry/run_mirror.h"
#include "registry/server_run_store.h"

namespace anomctl {

SyncReport sync_runs(const TrackingSettings& settings, const std::string& run, std::stop_token stop) {
  if (!settings.has_server()) throw UsageError("runs sync sends to a server: give --tracking-uri http://HOST:PORT");
  const std::string url = without_slash(settings.tracking_uri);
  const auto local = open_local_run_store(settings.tracking_dir, system_clock());
  MlflowAccess access = tracking_access(settings);
  access.stop = stop;
  MlflowClient client(settings.tracking_uri, access);
  client.experiments();  // whether it is there at all
  std::vector<RunInfo> runs = local->list();
  if (!run.empty()) runs = {find_run(runs, run, local->root().string())};
  std::reverse(runs.begin(), runs.end());
  SyncReport report;
  for (const RunInfo& one : runs) {
    if (stop.stop_requested()) break;
    SyncedRun done{one, {}, {}, 0, 0, 0, false};
    const MirrorLock lock(one);
    const auto note = read_mirror_note(one, url);
    try {
      if (!lock.held()) {
        done.trouble = "another process is sending it";
      } else if (note && !note->complete.empty() && note->complete == run_fingerprint(one) &&
                 client.find_run(note->run_id)) {
        done.server_id = note->run_id;
        done.was_complete = true;
      } else {
        RunMirror mirror(client, url, *local, one.id);
        const MirrorCounts counts = mirror.send(stop);
        done.server_id = mirror.server_run();
        done.values = counts.params + counts.tags;
        done.points = counts.points;
        done.artifacts = counts.artifacts;
      }
    } catch (const Error& error) {
      if (error.code() == ExitCode::unreachable) throw;
      done.trouble = error.what();
    }
    report.push_back(std::move(done));
  }
  return report;
}

}  // namespace anomctl
