// MLflow's file store:
//   <root>/<experiment id>/meta.yaml
//   <root>/<experiment id>/<run id>/{meta.yaml, params/<key>, metrics/<key>, tags/<key>, artifacts/}
// A parameter and a tag are a file that holds the bare value; a metric is lines of "TIMESTAMP_MS VALUE STEP".
#include "registry/file_run_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <sstream>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/core/log.h"
#include "registry/run_meta.h"
#include "registry/store_lock.h"

namespace anomctl {
namespace {

constexpr std::uint64_t kMaxSmallFile = kMiB;
constexpr std::size_t kRunIdLength = 32;

std::int64_t to_ms(Nanoseconds time) { return time / kMillisecond; }

void check_key(const std::string& key) {
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("_-. :/").find(c) != std::string_view::npos;
  };
  const fs::path path(key);
  const bool inside = !key.empty() && key.size() <= 250 && path.is_relative() &&
                      path.lexically_normal().native() == key && key.back() != '/' && *path.begin() != ".." &&
                      key != ".";
  if (!inside || !std::all_of(key.begin(), key.end(), allowed))
    throw failed("'" + key + "' cannot be tracked: a name holds up to 250 letters, digits and _ - . : / and spaces");
}

void append_line(const fs::path& file, const std::string& line) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  const bool written = fd >= 0 && ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!written) throw failed("cannot write " + file.string() + ": " + std::strerror(error));
}

// Relative names and contents of all files below a folder, as MLflow names keys: a '/' in a key is a folder.
template <class F>
void for_each_file(const fs::path& folder, F&& use) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; it != end; it.increment(error)) {
    if (error) return;
    if (it->is_regular_file(error)) use(fs::relative(it->path(), folder, error).generic_string(), it->path());
  }
}

std::vector<MetricPoint> read_metric(const fs::path& file) {
  std::vector<MetricPoint> points;
  std::istringstream lines(read_file(file, 64 * kMiB));
  for (std::string line; std::getline(lines, line);) {
    if (lines.eof()) break;  // another process is writing it
    std::istringstream words(line);
    std::int64_t ms = 0;
    std::string value;
    MetricPoint point;
    if (!(words >> ms >> value)) continue;
    words >> point.step;
    point.time = ms * kMillisecond;
    point.value = std::strtod(value.c_str(), nullptr);
    points.push_back(point);
  }
  return points;
}

std::int64_t number_or_zero(const std::string& text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct RunMeta {
  std::string experiment_id, user;
  fs::path folder;
};

void write_run_meta(const RunInfo& info, const RunMeta& meta) {
  std::string text;
  text += "artifact_uri: " + yaml_quoted(file_uri(info.artifacts)) + "\n";
  text += "end_time: " + (info.end ? std::to_string(to_ms(info.end)) : "null") + "\n";
  text += "entry_point_name: ''\n";
  text += "experiment_id: " + yaml_quoted(meta.experiment_id) + "\n";
  text += "lifecycle_stage: active\n";
  text += "run_id: " + yaml_quoted(info.id) + "\n";
  text += "run_name: " + yaml_quoted(info.name) + "\n";
  text += "source_name: ''\nsource_type: 4\nsource_version: ''\n";
  text += "start_time: " + std::to_string(to_ms(info.start)) + "\n";
  text += "status: " + std::to_string(status_code(info.status)) + "\n";
  text += "tags: []\n";
  text += "user_id: " + yaml_quoted(meta.user) + "\n";
  write_file_atomic(meta.folder / "meta.yaml", text);
}

class FileRun : public Run {
 public:
  FileRun(RunInfo info, RunMeta meta, const Clock& clock, bool created)
      : info_(std::move(info)), meta_(std::move(meta)), clock_(clock), unfinished_(created) {}
  ~FileRun() override {
    if (!unfinished_) return;
    try {
      finish("FAILED");
    } catch (const std::exception& error) {
      log_warning("run {} could not be marked as failed: {}", info_.name, error.what());
    }
  }
  const RunInfo& info() const override { return info_; }

  void log_param(const std::string& key, const std::string& value) override {
    check_key(key);
    const auto known = info_.params.find(key);
    if (known != info_.params.end()) {
      if (known->second == value) return;
      throw failed("parameter '" + key + "' of run " + info_.name + " is '" + known->second + "' and cannot become '" +
                   value + "'");
    }
    write_value(meta_.folder / "params", key, value, meta_.folder);
    info_.params[key] = value;
  }
  void log_metric(const std::string& key, double value, std::int64_t step) override {
    log_point(key, {clock_.now(), value, step});
  }
  void log_point(const std::string& key, const MetricPoint& point) {
    const auto file = prepare("metrics", key);
    const std::string number = std::isnan(point.value)   ? "nan"
                               : std::isinf(point.value) ? (point.value > 0 ? "inf" : "-inf")
                                                         : shortest(point.value);
    append_line(file, std::to_string(to_ms(point.time)) + " " + number + " " + std::to_string(point.step) + "\n");
    info_.metrics[key] = point.value;
  }
  void set_tag(const std::string& key, const std::string& value) override {
    check_key(key);
    write_value(meta_.folder / "tags", key, value, meta_.folder);
    info_.tags[key] = value;
  }
  void log_artifact(const fs::path& file, const std::string& path) override {
    const auto target = info_.artifacts / (path.empty() ? file.filename().string() : path);
    if (!path.empty()) check_key(path);
    make_folders(target.parent_path());
    std::error_code error;
    if (fs::is_directory(file, error)) {
      fs::copy(file, target, fs::copy_options::recursive | fs::copy_options::overwrite_existing, error);
    } else {
      const auto part = target.parent_path() / ("." + target.filename().string() + "." + random_hex(4));
      fs::copy_file(file, part, error);
      if (!error) fs::rename(part, target, error);
    }
    if (error) throw failed("cannot copy " + file.string() + " to " + target.string() + ": " + error.message());
  }
  void finish(const std::string& status) override {
    unfinished_ = false;
    info_.status = status;
    info_.end = clock_.now();
    write_run_meta(info_, meta_);
  }

 private:
  fs::path prepare(const char* kind, const std::string& key) const {
    check_key(key);
    auto file = meta_.folder / kind / key;
    make_folders(file.parent_path());
    return file;
  }

  RunInfo info_;
  RunMeta meta_;
  const Clock& clock_;
  bool unfinished_;
};

class FileRunStore : public LocalRunStore {
 public:
  FileRunStore(fs::path root, const Clock& clock) : root_(std::move(root)), clock_(clock) {}

  std::unique_ptr<Run> create(const std::string& experiment, const std::string& run_name) override {
    make_folders(root_);
    const StoreLock lock(root_);
    RunInfo info;
    RunMeta meta;
    const char* user = std::getenv("USER");
    meta.user = user && *user ? user : "anomctl";
    meta.experiment_id = experiment_id(experiment);
    info.id = random_hex(kRunIdLength / 2);
    info.name = run_name.empty() ? random_run_name() : run_name;
    info.experiment = experiment;
    info.status = "RUNNING";
    info.start = lock.next_start(to_ms(clock_.now())) * kMillisecond;
    meta.folder = root_ / meta.experiment_id / info.id;
    info.artifacts = meta.folder / "artifacts";
    for (const char* part : {"artifacts", "metrics", "params", "tags"}) make_folders(meta.folder / part);
    write_run_meta(info, meta);  // last: from now on others see the run
    auto run = std::make_unique<FileRun>(info, meta, clock_, true);
    run->set_tag("mlflow.runName", info.name);
    run->set_tag("mlflow.user", meta.user);
    run->set_tag("mlflow.source.name", "anomctl");
    run->set_tag("mlflow.source.type", "LOCAL");
    return run;
  }

  std::unique_ptr<Run> open(const std::string& run_id) override {
    for (const auto& [id, name] : experiments()) {
      const auto folder = root_ / id / run_id;
      if (run_id.size() == kRunIdLength && fs::exists(folder / "meta.yaml")) {
        const auto user = parse_flat_yaml(read_file(folder / "meta.yaml", kMaxSmallFile))["user_id"];
        return std::make_unique<FileRun>(read_run(folder, name), RunMeta{id, user, folder}, clock_, false);
      }
    }
    throw UsageError("no run '" + run_id + "' in " + root_.string());
  }

  std::vector<RunInfo> list(const std::string& experiment) override {
    std::vector<RunInfo> runs;
    for (const auto& [id, name] : experiments()) {
      if (!experiment.empty() && name != experiment) continue;
      std::error_code error;
      for (const auto& entry : fs::directory_iterator(root_ / id, error)) {
        if (entry.path().filename().string().size() != kRunIdLength || !fs::exists(entry.path() / "meta.yaml"))
          continue;
        const auto meta = parse_flat_yaml(read_file(entry.path() / "meta.yaml", kMaxSmallFile));
        const auto stage = meta.find("lifecycle_stage");
        if (stage == meta.end() || stage->second == "active") runs.push_back(read_run(entry.path(), name));
      }
    }
    std::sort(runs.begin(), runs.end(),
              [](const RunInfo& a, const RunInfo& b) { return a.start != b.start ? a.start > b.start : a.id < b.id; });
    return runs;
  }

  RunInfo find(const std::string& reference, const std::string& experiment) override {
    return find_run(list(experiment), reference,
                    root_.string() + (experiment.empty() ? "" : " of experiment " + experiment));
  }

  fs::path fetch(const RunInfo& run, const std::string& path) override { return run.artifacts / path; }

  std::vector<std::string> artifacts(const RunInfo& run) override {
    std::vector<std::string> names;
    for_each_file(run.artifacts, [&](const std::string& name, const fs::path&) { names.push_back(name); });
    std::sort(names.begin(), names.end());
    return names;
  }

  const fs::path& root() const override { return root_; }

  void adopt(const RunInfo& run, const RunHistories& histories) override {
    make_folders(root_);
    const StoreLock lock(root_);
    RunMeta meta;
    meta.experiment_id = experiment_id(run.experiment);
    const auto user = run.tags.find("mlflow.user");
    meta.user = user != run.tags.end() ? user->second : "";
    meta.folder = root_ / meta.experiment_id / run.id;
    RunInfo info;
    info.id = run.id;
    info.name = run.name;
    info.experiment = run.experiment;
    info.status = run.status;
    info.start = run.start;
    info.end = run.end;
    info.artifacts = meta.folder / "artifacts";
    for (const char* part : {"artifacts", "metrics", "params", "tags"}) make_folders(meta.folder / part);
    FileRun writer(info, meta, clock_, false);
    for (const auto& [key, value] : run.params) writer.log_param(key, value);
    for (const auto& [key, value] : run.tags) writer.set_tag(key, value);
    for (const auto& [key, points] : histories)
      for (const MetricPoint& point : points) writer.log_point(key, point);
    write_run_meta(info, meta);
  }

  std::vector<MetricPoint> history(const RunInfo& run, const std::string& metric) override {
    check_key(metric);
    const auto file = run.artifacts.parent_path() / "metrics" / metric;
    return fs::exists(file) ? read_metric(file) : std::vector<MetricPoint>();
  }

 private:
  // id -> name of the active ones.
  std::map<std::string, std::string> experiments() const {
    std::map<std::string, std::string> out;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root_, error)) {
      const auto file = entry.path() / "meta.yaml";
      if (!entry.is_directory(error) || !fs::exists(file)) continue;
      auto meta = parse_flat_yaml(read_file(file, kMaxSmallFile));
      if (meta["lifecycle_stage"] != "deleted") out[entry.path().filename().string()] = meta["name"];
    }
    return out;
  }

  // Requires: the store's lock is held.
  std::string experiment_id(const std::string& name) {
    for (const auto& [id, known] : experiments())
      if (known == name) return id;
    if (!fs::exists(root_ / "0" / "meta.yaml")) {  // what MLflow itself makes in an empty store
      write_experiment("0", "Default");
      make_folders(root_ / ".trash");
      make_folders(root_ / "models");
    }
    // 18 digits, as MLflow draws them.
    const auto draw = std::strtoull(random_hex(8).c_str(), nullptr, 16);
    const auto id = std::to_string(100'000'000'000'000'000ULL + draw % 900'000'000'000'000'000ULL);
    write_experiment(id, name);
    return id;
  }

  void write_experiment(const std::string& id, const std::string& name) {
    make_folders(root_ / id);
    const auto now = std::to_string(to_ms(clock_.now()));
    write_file_atomic(root_ / id / "meta.yaml", "artifact_location: " + yaml_quoted(file_uri(root_ / id)) +
                                                    "\ncreation_time: " + now + "\nexperiment_id: " + yaml_quoted(id) +
                                                    "\nlast_update_time: " + now +
                                                    "\nlifecycle_stage: active\nname: " + yaml_quoted(name) + "\n");
  }

  static RunInfo read_run(const fs::path& folder, const std::string& experiment) {
    auto meta = parse_flat_yaml(read_file(folder / "meta.yaml", kMaxSmallFile));
    RunInfo info;
    info.id = folder.filename().string();
    info.experiment = experiment;
    info.status = status_name(meta["status"]);
    info.start = number_or_zero(meta["start_time"]) * kMillisecond;
    info.end = number_or_zero(meta["end_time"]) * kMillisecond;
    // The run's own folder, so that a moved store still works; elsewhere only when the artifacts were put elsewhere.
    info.artifacts = folder / "artifacts";
    const auto elsewhere = path_of_uri(meta["artifact_uri"]);
    if (!fs::exists(info.artifacts) && !elsewhere.empty()) info.artifacts = elsewhere;
    for_each_file(folder / "params", [&](const std::string& key, const fs::path& file) {
      info.params[key] = read_file(file, kMaxSmallFile);
    });
    for_each_file(folder / "tags", [&](const std::string& key, const fs::path& file) {
      info.tags[key] = read_file(file, kMaxSmallFile);
    });
    for_each_file(folder / "metrics", [&](const std::string& key, const fs::path& file) {
      const auto points = read_metric(file);
      if (!points.empty()) info.metrics[key] = points.back().value;
    });
    const auto named = info.tags.find("mlflow.runName");
    info.name = named != info.tags.end() ? named->second : meta["run_name"];
    return info;
  }

  fs::path root_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<LocalRunStore> open_local_run_store(const fs::path& root, const Clock& clock) {
  return std::make_unique<FileRunStore>(fs::absolute(root).lexically_normal(), clock);
}

}  // namespace anomctl
