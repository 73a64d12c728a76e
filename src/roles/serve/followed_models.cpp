#include "roles/serve/followed_models.h"

#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"
#include "roles/serve/named_source.h"

namespace anomctl::serve {
namespace {

ModelSource source_of(const std::string& name, const FollowedModel& found) {
  return {name.empty() ? found.name : name, std::to_string(found.number), found.folder, found.id()};
}

}  // namespace

FollowedModels::FollowedModels(const ServeSettings& settings) {
  for (const std::string& text : settings.model) {
    const auto [name, reference] = split_name(text);
    auto follower = std::make_unique<ModelFollower>(settings.tracking, reference);
    sources_.push_back(source_of(name, follower->start()));
    log_info("model {}: {} names {}", sources_.back().name, follower->reference().text(), sources_.back().id);
    followers_.push_back(std::move(follower));
  }
}

void FollowedModels::start(Repository& repository, Duration every) {
  if (followers_.empty() || every.ns == 0) return;
  thread_ = std::jthread([this, &repository, every](std::stop_token stop) {
    while (!wait_for_stop(stop, every.ns / kMillisecond)) {
      for (std::size_t i = 0; i < followers_.size() && !stop.stop_requested(); ++i) {
        if (const auto found = followers_[i]->moved()) {
          log_info("model {}: {} now names {}", sources_[i].name, followers_[i]->reference().text(), found->id());
          repository.replace_source(source_of(sources_[i].name, *found));
        }
      }
    }
  });
}

}  // namespace anomctl::serve
