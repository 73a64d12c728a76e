#include "roles/manage/client_id.h"

#include <fmt/format.h>

#include "roles/manage/stream.h"

namespace anomctl::manage {

std::string default_client_id(const ManageSettings& settings) {
  std::string id = fmt::format("manage-{}-{}", settings.topic.topic_org,
                               settings.topic.topic_sensor == "+" ? "all" : settings.topic.topic_sensor);
  const auto [shard, shards] = parse_shard(settings.shard);
  return shards == 1 ? id : fmt::format("{}-{}-of-{}", id, shard, shards);
}

Error taken_over(const std::string& id) {
  return failed(
      fmt::format("another client with the id {} has taken the session at the broker over: two managers must not "
                  "share one (stop one of them, or give it another client-id)",
                  id));
}

}  // namespace anomctl::manage
