#include "anomctl/core/error.h"
#include "anomctl/roles/manage.h"
#include "roles/manage/assets.h"
#include "roles/manage/kafka_manager.h"
#include "roles/manage/maintenance.h"

namespace anomctl {

using namespace manage;

void validate(const ManageSettings& settings) {
  for (const std::string& level : {settings.topic.topic_org, settings.topic.topic_sensor})
    if (level.starts_with("$share"))
      throw UsageError(
          "a shared subscription deals the readings of one asset out to several managers, and each would judge a torn "
          "window: share the assets out instead, by --shard 0/2 and --shard 1/2");
  check_topic_level(settings.topic.topic_org, "topic-org");
  if (settings.topic.topic_sensor != "+") check_topic_level(settings.topic.topic_sensor, "topic-sensor");
  if (!settings.client_id.empty()) check_topic_level(settings.client_id, "client-id");
  if (settings.server_url.empty() && !settings.model.empty()) throw UsageError("model needs server-url");
  if (settings.server_url.empty() && !settings.server_token.empty()) throw UsageError("server-token needs server-url");
  if (settings.durable && settings.state_dir.empty()) throw UsageError("durable needs state-dir");
  if (!settings.replay.empty() && !(settings.state_dir.empty() && settings.record.empty() && settings.store.empty()))
    throw UsageError("replay excludes state-dir, record and store: it starts from nothing and keeps nothing");
  if (!settings.budget.empty()) {
    if (settings.threshold) throw UsageError("budget and threshold both say what the limit is: give one of them");
    parse_budget(settings.budget);
  }
  parse_shard(settings.shard);
  validate_kafka(settings);
  validate(settings.influx);
  for (const std::string& text : settings.readings.sensor_range) parse_sensor_range(text);
  const Maintenance tried(settings.readings.maintenance);
}

}  // namespace anomctl
