#include "registry/run_mirror.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <utility>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/core/log.h"
#include "anomctl/detection/bundle.h"

namespace anomctl {
namespace {

constexpr const char* kNoteFile = "anomctl_server.json";
constexpr const char* kLockFile = ".anomctl_server.lock";

fs::path folder_of(const RunInfo& run) { return run.artifacts.parent_path(); }

// One point as text; a server with SQL keeps the largest number for infinity.
std::string point_key(std::int64_t time_ms, std::int64_t step, double value) {
  constexpr double kMost = std::numeric_limits<double>::max();
  if (std::isinf(value)) value = value > 0 ? kMost : -kMost;
  return std::to_string(time_ms) + " " + std::to_string(step) + " " + (std::isnan(value) ? "nan" : shortest(value));
}

std::string cut_to(const std::string& text, std::size_t bytes) { return text.substr(0, bytes); }

// bundle.json, which names the hashes of the other files, comes last.
bool sent_before(const std::string& a, const std::string& b) {
  const bool a_last = fs::path(a).filename() == kBundleFile, b_last = fs::path(b).filename() == kBundleFile;
  return a_last != b_last ? b_last : a < b;
}

Json read_notes(const RunInfo& run) {
  std::error_code error;
  const fs::path file = folder_of(run) / kNoteFile;
  if (!fs::exists(file, error)) return Json::object();
  try {
    Json notes = Json::parse(read_file(file, 64 * kMiB), file.string());
    if (notes.is_object()) return notes;
  } catch (const Error& damaged) {
    log_warning("{}: asking the server for all of it again", damaged.what());
  }
  return Json::object();
}

}  // namespace

std::optional<MirrorNote> read_mirror_note(const RunInfo& run, const std::string& url) {
  const Json notes = read_notes(run);
  const Json* mine = notes.find(url);
  if (mine == nullptr || !mine->is_object()) return std::nullopt;
  MirrorNote note;
  note.run_id = mine->string_or("run_id", "");
  note.complete = mine->string_or("complete", "");
  if (const Json* artifacts = mine->find("artifacts"); artifacts != nullptr && artifacts->is_object())
    for (const auto& [path, hash] : artifacts->as_object())
      if (hash.is_string()) note.artifacts[path] = hash.as_string();
  return note;
}

void write_mirror_note(const RunInfo& run, const std::string& url, const MirrorNote& note) {
  Json notes = read_notes(run);
  Json mine = Json::object();
  mine["run_id"] = note.run_id;
  mine["complete"] = note.complete;
  mine["artifacts"] = Json::object();
  for (const auto& [path, hash] : note.artifacts) mine["artifacts"][path] = hash;
  notes[url] = std::move(mine);
  write_file_atomic(folder_of(run) / kNoteFile, notes.dump(1) + "\n");
}

std::string run_fingerprint(const RunInfo& run) {
  std::vector<std::string> lines;
  std::error_code error;
  const fs::path folder = folder_of(run);
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = fs::relative(it->path(), folder, error).generic_string();
    if (name.starts_with(kNoteFile) || name.starts_with(".") || name.starts_with("checkpoint")) continue;
    std::error_code gone;
    if (!it->is_regular_file(gone)) continue;
    lines.push_back(name + " " + std::to_string(it->file_size(gone)) + " " +
                    std::to_string(it->last_write_time(gone).time_since_epoch().count()) + "\n");
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line;
  return sha256_hex(text);
}

RunMirror::RunMirror(MlflowClient& client, std::string url, LocalRunStore& local, std::string run_id)
    : client_(client), url_(std::move(url)), local_(local), run_id_(std::move(run_id)) {}

void RunMirror::find_or_make(const RunInfo& run) {
  if (!note_.run_id.empty()) {
    if (auto found = client_.find_run(note_.run_id)) {
      there_ = std::move(*found);
      return;
    }
    note_ = {};  // another server, or one that began anew
  }
  const std::string experiment = client_.make_experiment(run.experiment);
  const auto found = client_.search_runs({experiment}, std::string("tags.`") + kLocalRunTag + "` = '" + run.id + "'");
  if (!found.empty()) {
    there_ = found.front();
  } else {
    MlflowNewRun fresh;
    fresh.experiment_id = experiment;
    fresh.name = run.name;
    fresh.start_ms = run.start / kMillisecond;
    const auto user = run.tags.find("mlflow.user");
    fresh.user = user != run.tags.end() ? user->second : "anomctl";
    fresh.tags = {{kLocalRunTag, run.id}};
    there_ = client_.create_run(fresh);
    made_ = true;
  }
  note_.run_id = there_.id;
  write_mirror_note(run, url_, note_);
}

void RunMirror::ask_what_is_there(const RunInfo& run) {
  note_ = read_mirror_note(run, url_).value_or(MirrorNote{});
  find_or_make(run);
  if (there_.deleted)
    throw failed("run " + run.name + " was deleted on " + url_ + " (" + there_.id +
                 "): restore it there to go on sending it");
  if (!made_) {
    for (const auto& [key, last] : there_.metrics)
      for (const MlflowMetric& point : client_.history(there_.id, key))
        points_there_[key].insert(point_key(point.time_ms, point.step, point.value));
  }
  asked_ = true;
}

MirrorCounts RunMirror::send(std::stop_token stop) {
  MirrorCounts counts;
  // First: what is written meanwhile makes it differ.
  const RunInfo run = local_.open(run_id_)->info();
  const std::string fingerprint = run_fingerprint(run);
  if (!asked_) ask_what_is_there(run);
  counts.made = std::exchange(made_, false);

  MlflowBatch batch;
  for (const auto& [key, value] : run.params) {
    const auto known = there_.params.find(key);
    if (known == there_.params.end()) {
      batch.params.emplace_back(key, value);
    } else if (known->second != value && !value.starts_with(known->second) && told_.insert(key).second) {
      log_warning("parameter {} of run {} is '{}' on the server and stays so", key, run.name,
                  cut_to(known->second, 80));
    }
  }
  for (const auto& [key, value] : run.tags) {
    const auto known = there_.tags.find(key);
    if (known == there_.tags.end() || (known->second != value && known->second.size() < kMlflowTagBytes - 3))
      batch.tags.emplace_back(key, value);
  }
  std::map<std::string, std::size_t> lines;
  for (const auto& [key, last] : run.metrics) {
    const auto points = local_.history(run, key);
    for (std::size_t i = points_sent_[key]; i < points.size(); ++i) {
      const MlflowMetric point{key, points[i].value, points[i].time / kMillisecond, points[i].step};
      if (points_there_[key].contains(point_key(point.time_ms, point.step, point.value))) continue;
      batch.metrics.push_back(point);
    }
    lines[key] = points.size();
  }
  if (!batch.empty()) client_.log_batch(there_.id, batch);
  for (const auto& [key, value] : batch.params) there_.params[key] = value;
  for (const auto& [key, value] : batch.tags) there_.tags[key] = value;
  for (const auto& [key, n] : lines) points_sent_[key] = n;
  counts.params = static_cast<std::int64_t>(batch.params.size());
  counts.tags = static_cast<std::int64_t>(batch.tags.size());
  counts.points = static_cast<std::int64_t>(batch.metrics.size());

  std::exception_ptr refused;
  try {
    send_artifacts(run, counts, stop);
  } catch (const Error& error) {
    if (error.code() == ExitCode::unreachable) throw;
    refused = std::current_exception();  // the rest is worth having without them
  }
  // Last: who sees a finished run sees all of it.
  const std::int64_t end_ms = run.end / kMillisecond;
  if (there_.status != run.status || there_.end_ms != end_ms) {
    client_.update_run(there_.id, run.status, end_ms);
    there_.status = run.status;
    there_.end_ms = end_ms;
  }
  if (refused) std::rethrow_exception(refused);
  if (note_.complete != fingerprint && !stop.stop_requested()) {
    note_.complete = fingerprint;
    write_mirror_note(run, url_, note_);
  }
  return counts;
}

void RunMirror::send_artifacts(const RunInfo& run, MirrorCounts& counts, std::stop_token stop) {
  auto paths = local_.artifacts(run);
  std::sort(paths.begin(), paths.end(), sent_before);
  std::optional<std::map<std::string, std::uint64_t>> sizes;
  for (const std::string& path : paths) {
    const fs::path file = run.artifacts / path;
    if (file.filename().string().starts_with(".")) continue;  // being written
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (error) continue;  // it went meanwhile
    const std::string hash = sha256_file(file);
    const auto sent = note_.artifacts.find(path);
    if (sent != note_.artifacts.end() && sent->second == hash) {
      if (artifacts_there_.contains(path)) continue;
      // That it was sent is noted here; that it is still there is asked once.
      if (!sizes) sizes = client_.artifacts(there_.artifact_uri);
      const auto found = sizes->find(path);
      if (found != sizes->end() && found->second == size) {
        artifacts_there_.insert(path);
        continue;
      }
    }
    if (stop.stop_requested()) return;
    client_.put_artifact(there_.artifact_uri, path, file);
    artifacts_there_.insert(path);
    note_.artifacts[path] = hash;
    note_.complete.clear();
    write_mirror_note(run, url_, note_);
    ++counts.artifacts;
  }
}

MirrorLock::MirrorLock(const RunInfo& run)
    : fd_(::open((folder_of(run) / kLockFile).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  held_ = fd_ >= 0 && ::flock(fd_, LOCK_EX | LOCK_NB) == 0;
}

MirrorLock::~MirrorLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace anomctl
