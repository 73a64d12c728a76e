#include "anomctl/io/notify/notifier.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"
#include "anomctl/io/net/backoff.h"
#include "io/notify/run_command.h"

namespace anomctl {
namespace {

constexpr Duration kFirstPause = milliseconds(500), kLongestPause = seconds(30), kCommandTime = seconds(60);

}  // namespace

// One receiver with its queue and thread.
struct Notifier::Sink {
  // Empty: taken. Else why not.
  using Deliver = std::function<std::string(const std::string& payload, std::stop_token stop)>;
  struct Message {
    std::string payload;
    Nanoseconds give_up = 0;  // steady
  };

  Sink(std::string sink_name, const NotifySettings& sink_settings, Deliver sink_deliver)
      : name(std::move(sink_name)),
        settings(sink_settings),
        deliver(std::move(sink_deliver)),
        thread([this](std::stop_token s) { run(s); }) {}

  void tell(const std::string& payload) {
    std::lock_guard lock(mutex);
    if (static_cast<std::int64_t>(waiting.size()) >= settings.notify_queue) {
      waiting.pop_front();
      ++counts.dropped;
    }
    waiting.push_back({payload, system_clock().steady() + settings.notify_for.ns});
    changed.notify_all();
  }
  // What failed before is tried once more, without a pause.
  void begin_to_finish() {
    std::lock_guard lock(mutex);
    finishing = true;
    changed.notify_all();
  }
  bool wait_until_empty(std::chrono::nanoseconds timeout) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, timeout, [&] { return gave_up || (waiting.empty() && !busy); });
  }
  void end() {
    thread.request_stop();
    if (thread.joinable()) thread.join();
    std::lock_guard lock(mutex);
    counts.dropped += static_cast<std::int64_t>(waiting.size());
    waiting.clear();
  }

  void run(std::stop_token stop) {
    std::unique_lock lock(mutex);
    while (!stop.stop_requested() && !gave_up) {
      if (!changed.wait(lock, stop, [&] { return !waiting.empty(); })) return;
      const Message message = std::move(waiting.front());
      waiting.pop_front();
      busy = true;
      lock.unlock();
      const bool taken = try_until_taken(message, stop);
      lock.lock();
      busy = false;
      gave_up = !taken && finishing;
      ++(taken ? counts.delivered : counts.dropped);
      changed.notify_all();
    }
  }
  bool try_until_taken(const Message& message, std::stop_token stop) {
    Backoff backoff(kFirstPause, kLongestPause);
    for (int tries = 1;; ++tries) {
      const std::string why = deliver(message.payload, stop);
      if (why.empty()) return true;
      if (tries == 1)
        log_warning("{} did not take an alert: {}; trying again for {}", name, why,
                    format_duration(settings.notify_for));
      if (stop.stop_requested()) return false;
      const Duration pause = backoff.next();
      if (system_clock().steady() + pause.ns > message.give_up) {
        log_warning("{} did not take an alert in time: {}", name, why);
        return false;
      }
      std::unique_lock lock(mutex);
      if (finishing && tries > 1) {
        log_warning("{} did not take an alert before the end: {}", name, why);
        return false;
      }
      changed.wait_for(lock, stop, std::chrono::nanoseconds(pause.ns), [&] { return finishing && tries > 1; });
      if (stop.stop_requested()) return false;
      ++counts.retried;
    }
  }

  std::string name;
  NotifySettings settings;
  Deliver deliver;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<Message> waiting;
  bool busy = false, finishing = false, gave_up = false;
  NotifyCounts counts;
  std::jthread thread;  // uses all of the above
};

Notifier::Notifier(const NotifySettings& settings, const HttpClientSettings& http) {
  for (const std::string& url : settings.webhook) {
    const std::size_t query = url.find('?');
    const std::string base = url.substr(0, query);
    std::string target = parse_http_url(base).path.empty() ? "/" : "";
    if (query != std::string::npos) target += url.substr(query);
    const auto client = std::make_shared<HttpClient>(base, http);
    sinks_.push_back(std::make_unique<Sink>(
        without_secrets(base), settings, [client, target](const std::string& payload, std::stop_token) {
          try {
            const HttpResponse response = client->post(target, payload);
            return response.status >= 200 && response.status < 300 ? std::string()
                                                                   : fmt::format("it answered {}", response.status);
          } catch (const Error& error) {
            return std::string(error.what());
          }
        }));
  }
  for (const std::string& command : settings.alert_command)
    sinks_.push_back(std::make_unique<Sink>(
        "the alert command", settings, [command](const std::string& payload, std::stop_token stop) {
          return run_command(command, payload + "\n", kCommandTime, std::move(stop));
        }));
}

Notifier::~Notifier() {
  for (const auto& sink : sinks_) sink->end();
}

void Notifier::tell(std::string payload) {
  for (const auto& sink : sinks_) sink->tell(payload);
}

void Notifier::finish(Duration timeout) {
  const Nanoseconds end = system_clock().steady() + timeout.ns;
  for (const auto& sink : sinks_) sink->begin_to_finish();
  for (const auto& sink : sinks_)
    sink->wait_until_empty(std::chrono::nanoseconds(std::max<Nanoseconds>(0, end - system_clock().steady())));
  for (const auto& sink : sinks_) sink->end();
}

NotifyCounts Notifier::counts() const {
  NotifyCounts all;
  for (const auto& sink : sinks_) {
    std::lock_guard lock(sink->mutex);
    all.delivered += sink->counts.delivered;
    all.retried += sink->counts.retried;
    all.dropped += sink->counts.dropped;
  }
  return all;
}

}  // namespace anomctl
