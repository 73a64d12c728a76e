#include "anomctl/io/notify/notifier.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "anomctl/core/error.h"
#include "anomctl/core/files.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"
#include "anomctl/io/net/backoff.h"
#include "io/notify/run_command.h"

namespace anomctl {
namespace {

// What a receiver refuses for itself (Bad Request, Content Too Large, Unprocessable Content) it would refuse for ever, and
// alerts behind it would wait; yet a receiver that is being mended may answer so too.
constexpr int kRefusals = 5;
constexpr Duration kFirstPause = milliseconds(500), kLongestPause = seconds(30), kCommandTime = seconds(60);

// The first, second, fourth, eighth .. of a row of equal events is told: a receiver that stays away fills no log.
bool worth_telling(std::int64_t n) { return std::has_single_bit(static_cast<std::uint64_t>(n)); }

// What a person can do about an answer that does not change by itself.
const char* hint(int status) {
  if (status >= 300 && status < 400) return ": the address has moved, give the new one";
  if (status == 401 || status == 403) return ": is the key in the address still good?";
  if (status == 404 || status == 410) return ": is the address right?";
  return "";
}

bool refuses_for_itself(int status) { return status == 400 || status == 413 || status == 422; }

}  // namespace

// One receiver with its queue and thread.
struct Notifier::Sink {
  struct Outcome {
    std::string why;  // empty: taken
    bool refused = false;
  };
  using Deliver = std::function<Outcome(const std::string& payload, std::stop_token stop)>;
  struct Message {
    std::string payload;
    std::uint64_t number = 0;
    Nanoseconds give_up = 0;  // steady
  };
  enum class End : std::uint8_t { taken, dropped, left };

  Sink(std::string sink_key, std::string sink_name, const NotifySettings& sink_settings, Deliver sink_deliver,
       const Done& sink_done)
      : key(std::move(sink_key)),
        name(std::move(sink_name)),
        settings(sink_settings),
        deliver(std::move(sink_deliver)),
        on_done(sink_done),
        thread([this](std::stop_token s) { run(s); }) {}

  void tell(std::string payload, std::uint64_t number) {
    std::uint64_t dropped = 0;
    {
      std::lock_guard lock(mutex);
      if (static_cast<std::int64_t>(waiting.size()) >= settings.notify_queue) {
        dropped = waiting.front().number;
        waiting.pop_front();
        ++counts.dropped;
        if (!std::exchange(told_full, true))
          log_warning("{}: {} alerts wait (notify-queue), the oldest are dropped", name, settings.notify_queue);
      }
      waiting.push_back({std::move(payload), number, system_clock().steady() + settings.notify_for.ns});
      changed.notify_all();
    }
    done(dropped);
  }
  void done(std::uint64_t number) const {
    if (number != 0 && on_done) on_done(number);
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
    for (const Message& message : waiting) counts.dropped += message.number == 0;
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
      const End end = try_until_taken(message, stop);
      if (end != End::left) done(message.number);
      lock.lock();
      busy = false;
      gave_up = end == End::left;
      counts.delivered += end == End::taken;
      counts.dropped += end == End::dropped || (end == End::left && message.number == 0);
      told_full = told_full && !waiting.empty();
      changed.notify_all();
    }
  }
  End try_until_taken(const Message& message, std::stop_token stop) {
    Backoff backoff(kFirstPause, kLongestPause);
    for (int tries = 1, refusals = 0;; ++tries) {
      const Outcome outcome = deliver(message.payload, stop);
      if (outcome.why.empty()) {
        failed = given_up = 0;
        return End::taken;
      }
      if (stop.stop_requested()) return End::left;
      if (tries == 1 && worth_telling(++failed))
        log_warning("{} did not take an alert: {}; trying again for {}{}", name, outcome.why,
                    format_duration(settings.notify_for), in_a_row(failed));
      refusals += outcome.refused;
      const Duration pause = backoff.next();
      if (refusals >= kRefusals || system_clock().steady() + pause.ns > message.give_up) {
        if (worth_telling(++given_up))
          log_warning("{} did not take an alert{}, it is dropped: {}{}", name, refusals >= kRefusals ? "" : " in time",
                      outcome.why, in_a_row(given_up));
        return End::dropped;
      }
      std::unique_lock lock(mutex);
      if (finishing && tries > 1) {
        log_warning("{} did not take an alert before the end{}: {}", name,
                    message.number == 0 ? "" : ", it waits for the next start", outcome.why);
        return End::left;
      }
      changed.wait_for(lock, stop, std::chrono::nanoseconds(pause.ns), [&] { return finishing && tries > 1; });
      if (stop.stop_requested()) return End::left;
      ++counts.retried;
    }
  }

  static std::string in_a_row(std::int64_t n) { return n == 1 ? "" : fmt::format(" ({} in a row)", n); }

  std::string key;
  std::string name;
  NotifySettings settings;
  Deliver deliver;
  Done on_done;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<Message> waiting;
  bool busy = false, finishing = false, gave_up = false, told_full = false;
  std::int64_t failed = 0, given_up = 0;  // alerts since the last one that was taken; of the sink's thread
  NotifyCounts counts;
  std::jthread thread;  // uses all of the above
};

Notifier::Notifier(const NotifySettings& settings, const HttpClientSettings& http, Done on_done) {
  const auto key = [](const std::string& of) { return sha256_hex(of).substr(0, 32); };
  for (const std::string& url : settings.webhook) {
    if (!url.starts_with("http://") && !url.starts_with("https://"))
      throw UsageError(
          "a webhook's address begins with neither http:// nor https:// (it is not shown here, for it may be a key)");
    const std::size_t query = url.find('?');
    const std::string base = url.substr(0, query);
    std::string target = parse_http_url(base).path.empty() ? "/" : "";
    if (query != std::string::npos) target += url.substr(query);
    const auto client = std::make_shared<HttpClient>(base, http);
    const auto deliver = [client, target](const std::string& payload, std::stop_token stop) -> Sink::Outcome {
      const std::stop_callback hurry(stop, [&] { client->cancel(); });
      try {
        const HttpResponse response = client->post(target, payload);
        if (response.status >= 200 && response.status < 300) return {};
        return {fmt::format("it answered {}{}", response.status, hint(response.status)),
                refuses_for_itself(response.status)};
      } catch (const Error& error) {
        return {error.what()};
      }
    };
    sinks_.push_back(std::make_unique<Sink>(key("webhook " + url), without_secrets(base), settings, deliver, on_done));
  }
  for (const std::string& command : settings.alert_command) {
    if (command.find_first_not_of(" \t\r\n") == std::string::npos)
      throw UsageError("alert-command is empty: nobody would be told");
    const auto deliver = [command](const std::string& payload, std::stop_token stop) -> Sink::Outcome {
      return {run_command(command, payload + "\n", kCommandTime, std::move(stop))};
    };
    sinks_.push_back(
        std::make_unique<Sink>(key("command " + command), "the alert command", settings, deliver, on_done));
  }
}

Notifier::~Notifier() {
  for (const auto& sink : sinks_) sink->end();
}

std::vector<std::string> Notifier::sinks() const {
  std::vector<std::string> keys;
  for (const auto& sink : sinks_) keys.push_back(sink->key);
  return keys;
}

bool Notifier::tell(const std::string& sink, std::string payload, std::uint64_t number) {
  const auto found = std::find_if(sinks_.begin(), sinks_.end(), [&](const auto& one) { return one->key == sink; });
  if (found == sinks_.end()) return false;
  (*found)->tell(std::move(payload), number);
  return true;
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
