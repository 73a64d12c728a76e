// A registered model that is followed: what its reference names, loaded and tried on a thread of its own, for a role that
// takes it between two rows. Thread rule: every member is safe from any thread.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "anomctl/registry/model_follower.h"
#include "anomctl/roles/manage.h"

namespace anomctl {

class ModelFeed {
 public:
  // Loads a bundle and opens its model; throws Error for one that is of no use.
  using Load = std::function<JudgingModel(const FollowedModel&)>;
  // Loads what the reference names now, and looks every so often for another; 0: never. Throws as ModelFollower::start.
  ModelFeed(const TrackingSettings& settings, const std::string& reference, Duration every, Load load);
  ModelFeed(const ModelFeed&) = delete;
  ModelFeed& operator=(const ModelFeed&) = delete;

  const JudgingModel& first() const { return first_; }
  // The newest one that was not given out yet.
  std::optional<JudgingModel> take();

 private:
  void work(std::stop_token stop, Duration every);

  ModelFollower follower_;
  Load load_;
  JudgingModel first_;
  std::mutex mutex_;
  std::optional<JudgingModel> next_;  // under mutex_
  std::jthread thread_;
};

}  // namespace anomctl
