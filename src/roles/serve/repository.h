// The models that are served, by name and version: loaded, unloaded, replaced while requests go on. A bundle that
// cannot be loaded leaves the one before serving and says so. All loading is done by one thread. Thread rule: every
// member is safe from any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "anomctl/core/json.h"
#include "roles/serve/served_model.h"

namespace anomctl::serve {

class Repository {
 public:
  struct Hooks {
    std::function<void(const std::string& name, const std::string& version, bool ok)> on_load;
    // A model takes the place of another; either may be null. Called in turn; must not call the repository.
    std::function<void(const ServedModel* before, const ServedModel* now)> on_change;
  };
  // `look` finds what may be loaded besides: asked again at each load and look, so that a model that was copied in
  // later can be loaded without a restart. Empty: only `sources`.
  using Look = std::function<std::vector<ModelSource>()>;
  Repository(std::vector<ModelSource> sources, ModelFactory factory, BatchSettings batching, Hooks hooks,
             Look look = {});
  ~Repository();
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;

  // Loads all in the background; `watch`: looks for changed bundles this often (0: never).
  void start(Duration watch);

  enum class Found { ready, unknown_model, unknown_version, loading, failed };
  // An empty version means the highest. Of an unloaded model: unknown_model, as MLServer has it.
  Found find(const std::string& name, const std::string& version, std::shared_ptr<ServedModel>& served) const;
  // Why there is no served model of that name: "loading", the error of the last load.
  std::string reason(const std::string& name) const;
  // Empty when ready, else why not: a model is still loading, failed to load and never served, or there is none.
  std::string not_ready() const;
  // [{"name","version","state","reason"}]
  Json index(bool only_ready) const;

  // Answers through `done`, from the loading thread: empty when it went well, else why not. False for a name that is
  // not known.
  bool load(const std::string& name, std::function<void(std::string error)> done);
  // False for a name that is not known or not loaded.
  bool unload(const std::string& name);
  void reload_all();
  // The model of that name comes from elsewhere now. Until that is loaded, and where it cannot be, the one before goes
  // on.
  void replace_source(ModelSource source);
  // Takes no more work and finishes the requests of every model.
  void drain();

 private:
  struct Entry {
    ModelSource source;
    std::shared_ptr<ServedModel> served;
    bool wanted = true;  // false: unloaded by request
    bool loading = true;
    bool late = false;                // found after the start: its failure does not make the server unready
    std::string reason;               // of the last failed load
    std::string seen;                 // fingerprint of the folder at the last load
    std::string changed;              // fingerprint seen once, to be loaded when it is seen again
    std::optional<ModelSource> next;  // takes the place of `source` once it is loaded
  };
  struct Task {
    std::string name;  // empty: all
    bool only_changed = false;
    std::function<void(std::string)> done;
  };
  void work(Duration watch);
  void discover();
  std::string load_entry(std::size_t index);
  bool settled_change(Entry& entry);
  void replace(Entry& entry, std::shared_ptr<ServedModel> served);
  void queue(Task task);

  const ModelFactory factory_;
  const BatchSettings batching_;
  const Hooks hooks_;
  const Look look_;
  mutable std::mutex mutex_;
  std::condition_variable news_;
  std::vector<Entry> entries_;  // under mutex_, as are the next three
  std::deque<Task> tasks_;
  bool stopping_ = false;
  std::vector<std::shared_ptr<ServedModel>> retired_;
  std::thread worker_;
};

// The bundles below `root`: ROOT/NAME/bundle.json, or ROOT/NAME/VERSION/bundle.json; what begins with '.' is none.
// `left_out`: folders that hold no bundle.
std::vector<ModelSource> scan_repository(const fs::path& root, std::vector<fs::path>* left_out = nullptr);

}  // namespace anomctl::serve
