#include "roles/serve/repository.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"

namespace anomctl::serve {

namespace {

// Changes when bundle.json or the weights are replaced.
std::string fingerprint(const fs::path& folder) {
  std::string text;
  for (const char* name : {kBundleFile, kWeightsFile}) {
    // Size and time alone miss a link that now leads to another folder whose files were packed with equal times.
    struct stat facts {};
    if (stat((folder / name).c_str(), &facts) != 0)
      text += "-;";
    else
      text += fmt::format("{}@{}.{}:{}:{}.{};", facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec,
                          facts.st_ino, facts.st_ctim.tv_sec, facts.st_ctim.tv_nsec);
  }
  return text;
}

// "10" after "9".
bool version_before(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

}  // namespace

Repository::Repository(std::vector<ModelSource> sources, ModelFactory factory, BatchSettings batching, Hooks hooks,
                       Look look)
    : factory_(std::move(factory)), batching_(batching), hooks_(std::move(hooks)), look_(std::move(look)) {
  for (ModelSource& source : sources) {
    // A bundle that cannot be read now keeps its folder's name until it can.
    if (source.name.empty()) {
      try {
        source.name = load_bundle_header(source.folder).name;
      } catch (const Error&) {
        source.name = fs::absolute(source.folder).lexically_normal().filename().string();
      }
    }
    for (const Entry& other : entries_)
      if (other.source.name == source.name && other.source.version == source.version)
        throw UsageError("two bundles are called '" + source.name + "': give names as NAME=DIR");
    Entry entry;
    entry.source = std::move(source);
    entries_.push_back(std::move(entry));
  }
}

Repository::~Repository() { drain(); }

void Repository::start(Duration watch) {
  queue({});
  worker_ = std::thread([this, watch] { work(watch); });
}

void Repository::queue(Task task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  news_.notify_all();
}

void Repository::work(Duration watch) {
  for (;;) {
    Task task;
    std::vector<std::size_t> chosen;
    std::vector<std::shared_ptr<ServedModel>> retired;
    {
      std::unique_lock lock(mutex_);
      const auto woken = [&] { return stopping_ || !tasks_.empty() || !retired_.empty(); };
      if (watch.ns == 0) {
        news_.wait(lock, woken);
      } else if (!news_.wait_for(lock, std::chrono::nanoseconds(watch.ns), woken)) {
        task.only_changed = true;
      }
      if (stopping_) return;
      retired.swap(retired_);
      if (!tasks_.empty()) {
        task = std::move(tasks_.front());
        tasks_.pop_front();
      } else if (!task.only_changed) {
        continue;  // woken for the retired ones, which end here
      }
    }
    discover();
    {
      const std::lock_guard lock(mutex_);
      for (std::size_t i = 0; i < entries_.size(); ++i) {
        Entry& entry = entries_[i];
        const bool never_seen = entry.late && entry.seen.empty();
        if (!(entry.wanted || never_seen) || (!task.name.empty() && entry.source.name != task.name)) continue;
        if (task.only_changed && !settled_change(entry)) continue;
        entry.wanted = true;
        chosen.push_back(i);
      }
    }
    for (const auto& old : retired) old->batcher->drain();
    std::string error;
    for (const std::size_t i : chosen)
      if (const std::string why = load_entry(i); !why.empty()) error = why;
    if (task.done) task.done(error);
  }
}

// Takes in what was copied in since the last look.
void Repository::discover() {
  if (!look_) return;
  std::vector<ModelSource> found;
  try {
    found = look_();
  } catch (const std::exception& e) {
    return log_warning("{}", e.what());
  }
  const std::lock_guard lock(mutex_);
  for (ModelSource& source : found) {
    const bool known = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
      return e.source.name == source.name && e.source.version == source.version;
    });
    if (known) continue;
    Entry entry;
    entry.source = std::move(source);
    entry.wanted = entry.loading = false;
    entry.late = true;
    entries_.push_back(std::move(entry));
  }
}

// Two looks with the same answer, so that a copy under way is not read half.
bool Repository::settled_change(Entry& entry) {
  const std::string now = fingerprint(entry.source.folder);
  const bool settled = now != entry.seen && now == entry.changed;
  entry.changed = now;
  return settled;
}

std::string Repository::load_entry(std::size_t index) {
  ModelSource source;
  {
    const std::lock_guard lock(mutex_);
    source = entries_[index].next.value_or(entries_[index].source);
    entries_[index].seen = fingerprint(source.folder);
    entries_[index].loading = true;
  }
  std::shared_ptr<ServedModel> served;
  std::string error;
  try {
    served = load_served_model(source, factory_, batching_);
    log_info("model {} version {}: loaded {} ({})", source.name, source.version, source.folder.string(),
             served->model->engine());
  } catch (const std::exception& e) {
    error = e.what();
    log_error("model {} version {}: {}", source.name, source.version, error);
  }
  if (hooks_.on_load) hooks_.on_load(source.name, source.version, error.empty());
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[index];
  entry.loading = false;
  entry.reason = error;
  if (entry.next && entry.next->folder == source.folder && entry.next->version == source.version) {
    // What cannot be loaded is not tried again before the alias moves again.
    if (served || !entry.served) entry.source = source;
    entry.next.reset();
  }
  if (served) {
    if (!entry.wanted) served = nullptr;  // unloaded meanwhile
    replace(entry, std::move(served));
  } else if (entry.served) {
    log_warning("model {} version {}: the bundle before goes on serving", source.name, source.version);
  }
  return error;
}

// Under the mutex.
void Repository::replace(Entry& entry, std::shared_ptr<ServedModel> served) {
  if (hooks_.on_change) hooks_.on_change(entry.served.get(), served.get());
  if (entry.served) retired_.push_back(std::move(entry.served));
  entry.served = std::move(served);
}

Repository::Found Repository::find(const std::string& name, const std::string& version,
                                   std::shared_ptr<ServedModel>& served) const {
  const std::lock_guard lock(mutex_);
  const Entry* best = nullptr;
  bool known = false;
  for (const Entry& entry : entries_) {
    if (entry.source.name != name || !entry.wanted) continue;
    known = true;
    if (!version.empty() && entry.source.version != version) continue;
    const bool better = !best || (entry.served && !best->served) ||
                        (static_cast<bool>(entry.served) == static_cast<bool>(best->served) &&
                         version_before(best->source.version, entry.source.version));
    if (better) best = &entry;
  }
  if (!known) return Found::unknown_model;
  if (!best) return Found::unknown_version;
  served = best->served;
  if (served) return Found::ready;
  return best->loading ? Found::loading : Found::failed;
}

std::string Repository::reason(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_)
    if (entry.source.name == name && !entry.served)
      return entry.loading ? "model " + name + " is loading" : entry.reason;
  return {};
}

std::string Repository::not_ready() const {
  const std::lock_guard lock(mutex_);
  if (entries_.empty()) return "no model was given";
  for (const Entry& entry : entries_) {
    if (entry.served || !entry.wanted || entry.late) continue;
    if (entry.loading) return "model " + entry.source.name + " is loading";
    return "model " + entry.source.name + " could not be loaded: " + entry.reason;
  }
  return {};
}

Json Repository::index(bool only_ready) const {
  const std::lock_guard lock(mutex_);
  Json list = Json::array();
  for (const Entry& entry : entries_) {
    if (only_ready && !entry.served) continue;
    Json item = Json::object();
    item["name"] = entry.source.name;
    item["version"] = entry.source.version;
    item["state"] = entry.served ? "READY" : entry.wanted && entry.loading ? "LOADING" : "UNAVAILABLE";
    item["reason"] = entry.reason;
    list.push_back(std::move(item));
  }
  return list;
}

bool Repository::load(const std::string& name, std::function<void(std::string)> done) {
  bool known = false;
  if (look_) {
    try {
      const auto found = look_();
      known = std::any_of(found.begin(), found.end(), [&](const ModelSource& s) { return s.name == name; });
    } catch (const std::exception& e) {
      log_warning("{}", e.what());
    }
  }
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.source.name != name) continue;
    known = true;
    if (!entry.wanted) entry.loading = true;
    entry.wanted = true;
  }
  if (!known || stopping_) return false;
  tasks_.push_back({name, false, std::move(done)});
  news_.notify_all();
  return true;
}

bool Repository::unload(const std::string& name) {
  const std::lock_guard lock(mutex_);
  bool known = false;
  for (Entry& entry : entries_) {
    if (entry.source.name != name) continue;
    known = known || entry.wanted;
    entry.wanted = entry.loading = false;
    entry.reason.clear();
    replace(entry, nullptr);
  }
  if (known) news_.notify_all();
  return known;
}

void Repository::reload_all() { queue({}); }

void Repository::replace_source(ModelSource source) {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries_)
    if (entry.source.name == source.name) entry.next = source;
  tasks_.push_back({source.name, false, {}});
  news_.notify_all();
}

void Repository::drain() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    news_.notify_all();
  }
  if (worker_.joinable()) worker_.join();
  std::deque<Task> left;
  std::vector<std::shared_ptr<ServedModel>> models;
  {
    const std::lock_guard lock(mutex_);
    left.swap(tasks_);
    models = retired_;
    for (const Entry& entry : entries_)
      if (entry.served) models.push_back(entry.served);
  }
  for (const Task& task : left)
    if (task.done) task.done("the server is stopping");
  for (const auto& served : models) served->batcher->drain();
}

std::vector<ModelSource> scan_repository(const fs::path& root, std::vector<fs::path>* left_out) {
  std::error_code ec;
  if (!fs::is_directory(root, ec)) throw input_error("model repository " + root.string() + " is no folder");
  std::vector<ModelSource> sources;
  for (const auto& model : fs::directory_iterator(root)) {
    const std::string name = model.path().filename().string();
    if (!model.is_directory() || name.front() == '.') continue;
    if (fs::exists(model.path() / kBundleFile)) {
      sources.push_back({name, "1", model.path(), ""});
      continue;
    }
    const std::size_t before = sources.size();
    for (const auto& version : fs::directory_iterator(model.path())) {
      const std::string number = version.path().filename().string();
      if (number.front() != '.' && version.is_directory() && fs::exists(version.path() / kBundleFile))
        sources.push_back({name, number, version.path(), ""});
    }
    if (sources.size() == before && left_out) left_out->push_back(model.path());
  }
  std::sort(sources.begin(), sources.end(), [](const ModelSource& a, const ModelSource& b) {
    return a.name != b.name ? a.name < b.name : version_before(a.version, b.version);
  });
  return sources;
}

}  // namespace anomctl::serve
