// The registered models that a server serves: their bundles at the start, and a thread that gives the repository what
// their aliases name later. Private to serve. Thread rule: one thread, beside its own.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "anomctl/registry/model_follower.h"
#include "anomctl/roles/serve.h"
#include "roles/serve/repository.h"

namespace anomctl::serve {

class FollowedModels {
 public:
  // Throws as ModelFollower::start.
  explicit FollowedModels(const ServeSettings& settings);
  std::vector<ModelSource> sources() const { return sources_; }
  // `repository` lives until stop.
  void start(Repository& repository, Duration every);
  void stop() { thread_ = {}; }

 private:
  std::vector<std::unique_ptr<ModelFollower>> followers_;
  std::vector<ModelSource> sources_;  // of the followers
  std::jthread thread_;
};

}  // namespace anomctl::serve
