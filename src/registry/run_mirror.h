// Sends what a tracking server lacks of a run that is kept here: parameters, tags, metric points, artifacts, the state at
// the end. What the server has is asked of it, and a tag there names the run here, so doing it again changes nothing and
// doubles nothing, also after a kill at any moment. Private to registry. Thread rule: one thread an object.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "anomctl/io/tracking/mlflow_client.h"
#include "registry/file_run_store.h"

namespace anomctl {

// What is known here of a run's copy on one server: a file beside the run's meta.yaml. Only a help: without it all is
// asked of the server again.
struct MirrorNote {
  std::string run_id;                            // on the server; empty: not made, or not noted down
  std::map<std::string, std::string> artifacts;  // path -> SHA-256 of what was sent
  std::string complete;                          // fingerprint of the run here when the server had all of it
};
// Nothing when the run was never meant for that server.
std::optional<MirrorNote> read_mirror_note(const RunInfo& run, const std::string& url);
void write_mirror_note(const RunInfo& run, const std::string& url, const MirrorNote& note);
// Changes with every write to the run.
std::string run_fingerprint(const RunInfo& run);

struct MirrorCounts {
  std::int64_t params = 0, tags = 0, points = 0, artifacts = 0;
  bool made = false;  // the run was not there
};

class RunMirror {
 public:
  // The caller holds the run's MirrorLock.
  RunMirror(MlflowClient& client, std::string url, LocalRunStore& local, std::string run_id);
  // One comparison, and sending what it shows. Throws as MlflowClient does.
  MirrorCounts send(std::stop_token stop = {});
  const std::string& server_run() const { return note_.run_id; }

 private:
  void find_or_make(const RunInfo& run);
  void ask_what_is_there(const RunInfo& run);
  void send_artifacts(const RunInfo& run, MirrorCounts& counts, std::stop_token stop);

  MlflowClient& client_;
  const std::string url_;
  LocalRunStore& local_;
  const std::string run_id_;
  MirrorNote note_;
  bool asked_ = false, made_ = false;
  MlflowRun there_;
  std::map<std::string, std::set<std::string>> points_there_;  // by metric, of the first comparison
  std::map<std::string, std::size_t> points_sent_;             // of the lines here
  std::set<std::string> artifacts_there_;                      // as they are here
  std::set<std::string> told_;                                 // what cannot be sent, said once
};

// One process sends a run at a time.
class MirrorLock {
 public:
  explicit MirrorLock(const RunInfo& run);
  ~MirrorLock();
  MirrorLock(const MirrorLock&) = delete;
  MirrorLock& operator=(const MirrorLock&) = delete;
  bool held() const { return held_; }

 private:
  int fd_ = -1;
  bool held_ = false;
};

}  // namespace anomctl
