// Tells people: each message goes to every webhook (HTTP POST) and every command (standard input), tried again with
// growing pauses until it is taken or too old. On threads of its own, one a sink, so that a slow one holds nobody up.
// Whoever keeps messages over a restart gives them numbers, and hears of each that needs no further care. Thread rule:
// `tell` and `counts` may be called from any thread; `on_done` is called by those of the sinks, and by `tell`.
#pragma once

#include <cstdint>
#include <functional>
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
  Duration notify_for = seconds(3600);

  static void fields(auto& self, auto&& field) {
    field("webhook", self.webhook,
          "POST each alert as JSON to this URL, which is not logged: many receivers' holds their key; may be repeated",
          Secret{});
    field("alert_command", self.alert_command,
          "run this with /bin/sh for each alert, its JSON on standard input; may be repeated");
    field("notify_queue", self.notify_queue, "alerts that may wait for a sink; then the oldest is dropped and counted",
          Between{1, 1e6});
    field("notify_for", self.notify_for,
          "an alert that a sink does not take is tried again for so long, after a restart anew");
  }
};

struct NotifyCounts {
  std::int64_t delivered = 0, retried = 0;
  std::int64_t dropped = 0;  // for want of room, too old, refused for good; without a number also: left at the end
};

class Notifier {
 public:
  using Done = std::function<void(std::uint64_t number)>;  // taken or dropped; not called for number 0

  // Throws UsageError for a URL that is none.
  Notifier(const NotifySettings& settings, const HttpClientSettings& http, Done on_done = {});
  ~Notifier();  // waits for nothing
  // A name of each sink, the same whenever its address or command is, that does not tell it.
  std::vector<std::string> sinks() const;
  // For one sink. False: there is none of this name.
  bool tell(const std::string& sink, std::string payload, std::uint64_t number = 0);
  // Waits until all is delivered, at most so long. A receiver that fails twice is waited for no longer. Nothing is
  // delivered after it returns; what has a number and is left is neither done nor counted.
  void finish(Duration timeout);
  NotifyCounts counts() const;

 private:
  struct Sink;
  std::vector<std::unique_ptr<Sink>> sinks_;
};

}  // namespace anomctl
