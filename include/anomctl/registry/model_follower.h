// Follows what a model reference names: an alias that moves gives another version. Thread rule: one thread an object;
// calls may speak to a server and block as long as --tracking-timeout says.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "anomctl/registry/model_registry.h"

namespace anomctl {

struct FollowedModel {
  std::string name;  // of the registered model
  std::int64_t number = 0;
  fs::path folder;  // of the bundle, whose hash was checked
  // "pump/3", by which verdicts lead back to the version, its run and its data set.
  std::string id() const { return name + "/" + std::to_string(number); }
};

class ModelFollower {
 public:
  ModelFollower(const TrackingSettings& settings, const std::string& reference);
  ~ModelFollower();
  const ModelReference& reference() const { return reference_; }

  // What it names now. A server that is away: what it named when this machine last asked, with a warning. Throws
  // UsageError where there is no such model, Error where its bundle is of no use.
  FollowedModel start();
  // Another version than the last one that was given out; nothing while there is none. Trouble is said once and tried
  // again with the next call.
  std::optional<FollowedModel> moved();

 private:
  FollowedModel take(const ModelVersion& version);
  fs::path note_file() const;

  const TrackingSettings settings_;
  const ModelReference reference_;
  std::unique_ptr<ModelRegistry> registry_;
  std::int64_t number_ = 0;
  std::string trouble_;
};

}  // namespace anomctl
