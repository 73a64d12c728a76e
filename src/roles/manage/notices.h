// Alerts on their way to webhooks and commands. They go through the outbox under topics of their own, so that one which
// was not delivered is on disk with the verdicts, in the same transaction. Private to manage. Thread rule: as Notifier.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "anomctl/io/notify/notifier.h"
#include "anomctl/roles/manage.h"

namespace anomctl::manage {

class Notices {
 public:
  // `on_done`: a notice with a number needs no further care.
  Notices(const ManageSettings& settings, const HttpClientSettings& http, Notifier::Done on_done = {});

  // Hands every notice that this message calls for to `add`: an alert calls for one a sink, others for none.
  void make(const std::string& topic, const std::string& payload,
            const std::function<void(std::string topic, std::string payload)>& add) const;
  static bool is_notice(const std::string& topic);
  // One that `make` made, now or in an earlier process. Requires: is_notice(topic).
  void deliver(const std::string& topic, const std::string& payload, std::uint64_t number);
  // See Notifier; where alerts are kept on disk it does not wait long.
  void finish(Duration timeout, bool kept);
  void count(ManageCounts& counts) const;

 private:
  std::string alerts_;  // what topics of alerts begin with
  Notifier::Done on_done_;
  std::atomic<std::int64_t> homeless_ = 0;  // of sinks that there are no more
  Notifier notifier_;
};

}  // namespace anomctl::manage
