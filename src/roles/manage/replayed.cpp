#include "roles/manage/replayed.h"

#include "roles/manage/recording.h"
#include "roles/manage/stream.h"

namespace anomctl::manage {

ManageCounts replay(const ManageSettings& settings, const ManageParts& parts, std::stop_token stop) {
  Recording recording(settings.replay);
  Stream stream(
      settings, parts,
      [&](const std::string& topic, const std::string& payload) {
        if (parts.on_message) parts.on_message(topic, payload);
      },
      stop);
  while (!stop.stop_requested()) {
    const std::optional<Reading> reading = recording.next();
    if (!reading) break;
    if (stream.ours(reading->asset)) stream.take(*reading, false);
  }
  stream.flush();
  stream.finish();
  return stream.counts();
}

}  // namespace anomctl::manage
