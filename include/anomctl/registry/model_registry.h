// Registered models: names, numbered versions that never change, aliases that move (champion, challenger). A version is
// a copy of a bundle, and its tags tell where it comes from: data set, run, hash of the bundle. In MLflow's layout below
// the folder of the runs, or on a tracking server as MLflow's registered models, so that MLflow's client and page read
// them as their own. Thread rule: one thread an object; several processes may use one registry.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/registry/run_store.h"

namespace anomctl {

inline constexpr const char* kChampion = "champion";

// Tags of a version: its lineage.
inline constexpr const char* kBundleHashTag = "anomctl.bundle_hash";
inline constexpr const char* kDataSetTag = "anomctl.data_set";
inline constexpr const char* kDataSetHashTag = "anomctl.data_set_hash";
inline constexpr const char* kProgramTag = "anomctl.version";
// Tags of a model: the versions that an alias named before, "3,5", the latest last; of a version: when it became what an
// alias names, and when it was rolled back.
inline constexpr const char* kHistoryTag = "anomctl.history.";
inline constexpr const char* kPromotedTag = "anomctl.promoted.";
inline constexpr const char* kRolledBackTag = "anomctl.rolled_back.";

struct ModelVersion {
  std::string name;
  std::int64_t number = 0;
  std::string run_id;   // empty: of no run
  std::string source;   // models:/m-..., or where another program put it
  std::string storage;  // URI of its files
  Nanoseconds created = 0;
  std::map<std::string, std::string> tags;
  std::vector<std::string> aliases;
  // "pump/3": what verdicts of it carry as `model`.
  std::string id() const { return name + "/" + std::to_string(number); }
  std::string tag(const std::string& key) const {
    const auto found = tags.find(key);
    return found == tags.end() ? std::string() : found->second;
  }
};

struct RegisteredModel {
  std::string name;
  std::map<std::string, std::int64_t> aliases;
  std::map<std::string, std::string> tags;
  std::vector<ModelVersion> versions;  // newest first; not every registry fills them in
};

// "pump@champion", "pump/3", "pump" (the champion), each also after "models:/".
struct ModelReference {
  std::string name;
  std::string alias;        // empty: a number
  std::int64_t number = 0;  // 0: an alias
  std::string text() const { return alias.empty() ? name + "/" + std::to_string(number) : name + "@" + alias; }
};
// Throws UsageError.
ModelReference parse_model_reference(const std::string& text);
// Throw UsageError for what MLflow or a path would not take.
void check_model_name(const std::string& name);
void check_model_alias(const std::string& alias);

struct NewVersion {
  std::string name;
  fs::path bundle;             // folder; all files in it are taken over
  std::optional<RunInfo> run;  // that it comes from
};

class ModelRegistry {
 public:
  virtual ~ModelRegistry() = default;
  virtual std::vector<RegisteredModel> list() = 0;                                 // by name, with versions
  virtual std::optional<RegisteredModel> find_model(const std::string& name) = 0;  // with versions
  // The number that an alias names now, 0: none. Cheap: it is asked again and again.
  virtual std::int64_t alias_number(const std::string& name, const std::string& alias) = 0;
  // Throws UsageError when it is not there.
  virtual ModelVersion version(const std::string& name, std::int64_t number) = 0;
  // A version of the same bundle of that model is given back as it is.
  virtual ModelVersion add(const NewVersion& fresh) = 0;
  virtual void set_alias(const std::string& name, const std::string& alias, std::int64_t number) = 0;
  virtual void set_model_tag(const std::string& name, const std::string& key, const std::string& value) = 0;
  virtual void set_version_tag(const ModelVersion& version, const std::string& key, const std::string& value) = 0;
  // The folder with its bundle.json, brought here where a server has it. Throws Error(bad_input) when its hash is not
  // the one that was registered.
  virtual fs::path bundle(const ModelVersion& version) = 0;
  virtual std::string where() const = 0;  // for people
  // Held while an alias and its history are read, changed and written: others wait. In a folder against everybody; of a
  // server, whose API knows no such thing, against those who share its cache, that is of this user on this machine.
  virtual std::shared_ptr<void> hold() = 0;
};

std::unique_ptr<ModelRegistry> open_model_registry(const TrackingSettings& settings,
                                                   const Clock& clock = system_clock());

// What a reference names now. Throws UsageError.
ModelVersion resolve_model(ModelRegistry& registry, const ModelReference& reference);

// The alias moves to the version. The number that it named before, 0: none or the same.
std::int64_t promote(ModelRegistry& registry, const ModelVersion& version, const std::string& alias);
// The alias goes back to the version that it named before. Throws UsageError when there is none.
struct RolledBack {
  std::int64_t from = 0, to = 0;
};
RolledBack rollback(ModelRegistry& registry, const std::string& name, const std::string& alias);

}  // namespace anomctl
