#include "roles/manage/hold_back.h"

#include "anomctl/core/error.h"
#include "anomctl/core/stop.h"

namespace anomctl::manage {

void hold_back(MqttClient& in, Inbox& inbox, std::stop_token ended) {
  for (bool held = false; !wait_for_stop(ended, 100);) {
    const bool hold = !inbox.hold_back().empty();
    if (hold && !held) in.disconnect();
    if (hold) held = true;
    if (hold || !held) continue;
    try {
      held = !in.connect(ended);
    } catch (const Error&) {  // the next try is soon
    }
  }
}

}  // namespace anomctl::manage
