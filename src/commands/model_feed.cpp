#include "commands/model_feed.h"

#include <utility>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"

namespace anomctl {

ModelFeed::ModelFeed(const TrackingSettings& settings, const std::string& reference, Duration every, Load load)
    : follower_(settings, reference), load_(std::move(load)), first_(load_(follower_.start())) {
  if (every.ns > 0) thread_ = std::jthread([this, every](std::stop_token stop) { work(stop, every); });
}

void ModelFeed::work(std::stop_token stop, Duration every) {
  while (!wait_for_stop(stop, every.ns / kMillisecond)) {
    const auto found = follower_.moved();
    if (!found) continue;
    try {
      JudgingModel loaded = load_(*found);
      const std::lock_guard lock(mutex_);
      next_ = std::move(loaded);
    } catch (const std::exception& error) {
      log_warning("{} cannot take over: {}; the model before goes on", found->id(), error.what());
    }
  }
}

std::optional<JudgingModel> ModelFeed::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(next_, std::nullopt);
}

}  // namespace anomctl
