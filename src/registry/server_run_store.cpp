#include "registry/server_run_store.h"

#include <algorithm>
#include <limits>
#include <set>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "registry/background_mirror.h"
#include "registry/run_meta.h"
#include "registry/run_mirror.h"

namespace anomctl {
namespace {

RunInfo info_of(const MlflowRun& run, const std::string& experiment) {
  RunInfo info;
  info.id = run.id;
  info.name = run.name;
  info.experiment = experiment;
  info.status = run.status;
  info.start = time_of_ms(run.start_ms);
  info.end = time_of_ms(run.end_ms);
  info.params = run.params;
  info.tags = run.tags;
  info.metrics = run.metrics;
  return info;
}

// What is written goes to the folder at once, and the thread is told.
class MirroredRun : public Run {
 public:
  MirroredRun(const TrackingSettings& settings, const Clock& clock, std::unique_ptr<Run> local)
      : local_(std::move(local)),
        lock_(local_->info()),
        store_(open_local_run_store(settings.tracking_dir, clock)),
        wait_(settings.tracking_wait),
        stop_(settings.stop) {
    const std::string url = without_slash(settings.tracking_uri);
    // That the run is meant for this server, in case nothing ever reaches it.
    if (!read_mirror_note(local_->info(), url)) write_mirror_note(local_->info(), url, {});
    if (!lock_.held()) {
      log_info("run {} is being sent to {} by another process, which goes on with it", local_->info().name, url);
      return;
    }
    MlflowAccess access = tracking_access(settings);
    access.stop = {};  // the end of the run is still to be told
    client_ = std::make_unique<MlflowClient>(settings.tracking_uri, access);
    mirror_ = std::make_unique<RunMirror>(*client_, url, *store_, local_->info().id);
    BackgroundMirror::Parts parts;
    parts.send = [this](std::stop_token stop) { mirror_->send(stop); };
    parts.cancel = [this] { client_->cancel(); };
    parts.run = local_->info().name;
    parts.url = url;
    parts.local = settings.tracking_dir.string();
    background_ = std::make_unique<BackgroundMirror>(std::move(parts));
  }
  ~MirroredRun() override {
    local_.reset();  // marks it as failed where nobody finished it
    end();
  }
  const RunInfo& info() const override { return local_->info(); }
  void log_param(const std::string& key, const std::string& value) override {
    local_->log_param(key, value);
    changed();
  }
  void log_metric(const std::string& key, double value, std::int64_t step) override {
    local_->log_metric(key, value, step);
    changed();
  }
  void set_tag(const std::string& key, const std::string& value) override {
    local_->set_tag(key, value);
    changed();
  }
  void log_artifact(const fs::path& file, const std::string& path) override {
    local_->log_artifact(file, path);
    changed();
  }
  void finish(const std::string& status) override {
    local_->finish(status);
    end();
  }

 private:
  void changed() {
    if (background_) background_->changed();
  }
  void end() {
    if (!background_) return;
    if (!background_->finish(wait_, stop_))
      log_warning("the tracking server does not have all of the run: anomctl runs sync sends the rest");
    background_.reset();
  }

  std::unique_ptr<Run> local_;
  MirrorLock lock_;
  std::unique_ptr<LocalRunStore> store_;
  Duration wait_;
  std::stop_token stop_;
  std::unique_ptr<MlflowClient> client_;
  std::unique_ptr<RunMirror> mirror_;
  std::unique_ptr<BackgroundMirror> background_;
};

class ServerRunStore : public RunStore {
 public:
  ServerRunStore(const TrackingSettings& settings, const Clock& clock)
      : settings_(settings),
        clock_(clock),
        url_(without_slash(settings.tracking_uri)),
        local_(open_local_run_store(settings.tracking_dir, clock)),
        client_(settings.tracking_uri, tracking_access(settings)) {}

  std::unique_ptr<Run> create(const std::string& experiment, const std::string& run_name) override {
    return std::make_unique<MirroredRun>(settings_, clock_, local_->create(experiment, run_name));
  }

  std::unique_ptr<Run> open(const std::string& run_id) override {
    if (const auto known = local_run(run_id))
      return std::make_unique<MirroredRun>(settings_, clock_, local_->open(known->id));
    adopt(find(run_id));
    return std::make_unique<MirroredRun>(settings_, clock_, local_->open(run_id));
  }

  std::vector<RunInfo> list(const std::string& experiment) override {
    const auto local = local_runs();
    std::vector<RunInfo> runs;
    std::vector<std::string> ids;
    const auto names = client_.experiments();
    for (const auto& [id, name] : names)
      if (experiment.empty() || name == experiment) ids.push_back(id);
    std::set<std::string> seen;
    for (const MlflowRun& run : client_.search_runs(ids)) {
      const auto name = names.find(run.experiment_id);
      RunInfo info = info_of(run, name == names.end() ? run.experiment_id : name->second);
      const auto mine = local.find(run.id);
      info.artifacts = mine != local.end() ? mine->second.artifacts : cache_of(run.id);
      seen.insert(run.id);
      if (const auto tag = run.tags.find(kLocalRunTag); tag != run.tags.end()) seen.insert(tag->second);
      runs.push_back(std::move(info));
    }
    // Those that never reached it.
    for (const auto& [id, run] : local)
      if (!seen.contains(id) && !seen.contains(run.id) && (experiment.empty() || run.experiment == experiment))
        runs.push_back(run);
    std::sort(runs.begin(), runs.end(),
              [](const RunInfo& a, const RunInfo& b) { return a.start != b.start ? a.start > b.start : a.id < b.id; });
    return runs;
  }

  RunInfo find(const std::string& reference, const std::string& experiment) override {
    return find_run(list(experiment), reference, url_ + (experiment.empty() ? "" : " of experiment " + experiment));
  }
  RunInfo find(const std::string& reference) { return find(reference, {}); }

  fs::path fetch(const RunInfo& run, const std::string& path) override {
    if (const auto there = client_.find_run(run.id)) {
      const auto mine = local_run(run.id);
      // Here are its artifacts as they were written; what is missing or newer there comes from there.
      if (!mine || !ahead(*mine)) fetch_artifacts(client_, there->artifact_uri, path, run.artifacts);
    }
    return run.artifacts / path;
  }

  std::vector<std::string> artifacts(const RunInfo& run) override {
    std::set<std::string> names;
    if (const auto there = client_.find_run(run.id))
      for (const auto& [name, size] : client_.artifacts(there->artifact_uri)) names.insert(name);
    if (local_run(run.id))
      for (const std::string& name : local_->artifacts(run)) names.insert(name);
    return {names.begin(), names.end()};
  }

  std::vector<MetricPoint> history(const RunInfo& run, const std::string& metric) override {
    std::vector<MetricPoint> points;
    if (!client_.find_run(run.id)) return local_->history(run, metric);
    for (const MlflowMetric& point : client_.history(run.id, metric))
      points.push_back({time_of_ms(point.time_ms), point.value, point.step});
    return points;
  }

 private:
  fs::path cache_of(const std::string& run_id) const { return server_cache(settings_) / run_id / "artifacts"; }

  // The runs here that are meant for the server, by their id there (by their own where nothing reached it yet).
  std::map<std::string, RunInfo> local_runs() {
    std::map<std::string, RunInfo> runs;
    for (RunInfo& run : local_->list()) {
      const auto note = read_mirror_note(run, url_);
      if (note) runs.emplace(note->run_id.empty() ? run.id : note->run_id, std::move(run));
    }
    return runs;
  }

  // By its id here or there.
  std::optional<RunInfo> local_run(const std::string& id) {
    for (auto& [there, run] : local_runs())
      if (there == id || run.id == id) return run;
    return std::nullopt;
  }

  // Whether something here was not sent.
  bool ahead(const RunInfo& run) {
    const auto note = read_mirror_note(run, url_);
    return !note || note->complete != run_fingerprint(run);
  }

  // A run of another machine, to be written to.
  void adopt(const RunInfo& run) {
    RunHistories histories;
    for (const auto& [key, last] : run.metrics) histories[key] = history(run, key);
    local_->adopt(run, histories);
    const RunInfo here = local_->find(run.id);
    std::error_code error;
    fs::copy(run.artifacts, here.artifacts, fs::copy_options::recursive | fs::copy_options::overwrite_existing, error);
    MirrorNote note;
    note.run_id = run.id;
    write_mirror_note(here, url_, note);
  }

  const TrackingSettings settings_;
  const Clock& clock_;
  const std::string url_;
  std::unique_ptr<LocalRunStore> local_;
  MlflowClient client_;
};

}  // namespace

Nanoseconds time_of_ms(std::int64_t ms) {
  constexpr std::int64_t kFarthest = std::numeric_limits<Nanoseconds>::max() / kMillisecond;
  return std::clamp(ms, -kFarthest, kFarthest) * kMillisecond;
}

std::unique_ptr<RunStore> open_server_run_store(const TrackingSettings& settings, const Clock& clock) {
  return std::make_unique<ServerRunStore>(settings, clock);
}

std::unique_ptr<RunStore> open_run_store(const TrackingSettings& settings, const Clock& clock) {
  if (settings.has_server()) return open_server_run_store(settings, clock);
  return open_local_run_store(tracking_folder(settings.tracking_uri), clock);
}

std::unique_ptr<RunStore> open_run_store(const std::string& uri, const Clock& clock) {
  TrackingSettings settings;
  settings.tracking_uri = uri;
  return open_run_store(settings, clock);
}

}  // namespace anomctl
