// Tells people: each message goes to every webhook (HTTP POST) and every command (standard input), tried again with
// growing pauses until it is taken or too old. On threads of its own, one a sink, so that a slow one holds nobody up.
// Thread rule: `tell` may be called from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/io/net/http_client.h"

namespace anomctl {

struct NotifySettings {
  std::vector<std::string> webhook;
  std::vector<std::string> alert_command;
  std::int64_t notify_queue = 1000;
  Duration notify_for = seconds(600);

  static void fields(auto& self, auto&& field) {
    field("webhook", self.webhook,
          "POST each alert as JSON to this URL, which is not logged: many receivers' holds their key; may be repeated",
          Secret{});
    field("alert_command", self.alert_command,
          "run this with /bin/sh for each alert, its JSON on standard input; may be repeated");
    field("notify_queue", self.notify_queue, "alerts that may wait for a sink; then the oldest is dropped and counted",
          Between{1, 1e6});
    field("notify_for", self.notify_for, "an alert that no sink takes is tried again for so long");
  }
};

struct NotifyCounts {
  std::int64_t delivered = 0, retried = 0, dropped = 0;  // dropped: for want of room, too old, or at the end
};

class Notifier {
 public:
  // Throws UsageError for a URL that is none.
  Notifier(const NotifySettings& settings, const HttpClientSettings& http);
  ~Notifier();  // waits for nothing
  void tell(std::string payload);
  // Waits until all is delivered, at most so long; then what is left is dropped. A receiver that fails
  // twice is waited for no longer.
  void finish(Duration timeout);
  NotifyCounts counts() const;

 private:
  struct Sink;
  std::vector<std::unique_ptr<Sink>> sinks_;
};

}  // namespace anomctl
