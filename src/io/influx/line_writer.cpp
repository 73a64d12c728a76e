#include "anomctl/io/influx/line_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"
#include "anomctl/io/net/backoff.h"

namespace anomctl {
namespace {

constexpr std::size_t kLines = 5000;  // of a request
constexpr std::chrono::milliseconds kGather{1000};
constexpr Duration kFirstPause = milliseconds(500), kLongestPause = seconds(30);

std::string target_of(const InfluxWriteSettings& settings) {
  return fmt::format("/api/v2/write?org={}&bucket={}&precision=ns", percent_encode(settings.influx_org),
                     percent_encode(settings.influx_bucket));
}

}  // namespace

void validate(const InfluxWriteSettings& settings) {
  const bool more = !settings.influx_org.empty() || !settings.influx_bucket.empty() || !settings.influx_token.empty();
  if (settings.influx_url.empty() && more)
    throw UsageError("influx_org, influx_bucket and influx_token need influx_url");
  if (settings.influx_url.empty()) return;
  parse_http_url(settings.influx_url);
  if (settings.influx_org.empty() || settings.influx_bucket.empty())
    throw UsageError("influx_url needs influx_org and influx_bucket");
}

struct LineWriter::Impl {
  Impl(const InfluxWriteSettings& settings, const HttpClientSettings& http)
      : url(settings.influx_url),
        target(target_of(settings)),
        most(static_cast<std::size_t>(settings.influx_queue)),
        client(settings.influx_url, http) {
    if (!settings.influx_token.empty()) client.headers.add("authorization", "Token " + settings.influx_token);
    thread = std::jthread([this](std::stop_token stop) { run(stop); });
  }

  // Empty: taken, or refused for good and dropped. Else why it is tried again.
  std::string send(std::size_t n) {
    std::string body;
    for (std::size_t i = 0; i < n; ++i) body += under_way[i] + "\n";
    HttpResponse answer;
    try {
      answer = client.post(target, std::move(body), "text/plain; charset=utf-8");
    } catch (const Error& error) {
      return error.what();
    }
    const std::string why = fmt::format("{}: {} {}", url, answer.status, answer.body.substr(0, 200));
    // 400 and 422: points that it will never take.
    const bool refused = answer.status == 400 || answer.status == 422;
    if (answer.status / 100 != 2 && !refused) return why;
    const std::lock_guard lock(mutex);
    (refused ? counts.dropped : counts.written) += static_cast<std::int64_t>(n);
    if (refused) log_warning("{}: {} points were dropped", why, n);
    return {};
  }

  void run(std::stop_token stop) {
    Backoff backoff(kFirstPause, kLongestPause);
    bool told = false;
    while (!stop.stop_requested() && !gave_up) {
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, stop, [&] { return !waiting.empty(); });
        if (!finishing) changed.wait_for(lock, stop, kGather, [&] { return waiting.size() >= kLines || finishing; });
        const auto n = static_cast<std::ptrdiff_t>(std::min(waiting.size(), kLines));
        under_way.assign(std::make_move_iterator(waiting.begin()), std::make_move_iterator(waiting.begin() + n));
        waiting.erase(waiting.begin(), waiting.begin() + n);
      }
      for (int tries = 1; !under_way.empty() && !stop.stop_requested(); ++tries) {
        const std::string why = send(under_way.size());
        if (why.empty()) {
          if (std::exchange(told, false)) log_info("{}: points are written again", url);
          backoff.reset();
          under_way.clear();
          break;
        }
        if (!std::exchange(told, true)) log_warning("{}: trying again, judging goes on", why);
        std::unique_lock lock(mutex);
        gave_up = finishing && tries > 1;
        if (gave_up) break;
        changed.wait_for(lock, stop, std::chrono::nanoseconds(backoff.next().ns),
                         [&] { return finishing && tries > 1; });
      }
      const std::lock_guard lock(mutex);
      counts.dropped += static_cast<std::int64_t>(under_way.size());
      under_way.clear();
      idle.notify_all();
    }
  }

  const std::string url, target;
  const std::size_t most;
  HttpClient client;                   // of the thread
  std::vector<std::string> under_way;  // of the thread
  std::mutex mutex;
  std::condition_variable_any changed, idle;
  std::deque<std::string> waiting;  // under mutex, as are the next four
  LineWriterCounts counts;
  std::int64_t all = 0;  // put in
  bool finishing = false, gave_up = false;
  std::jthread thread;
};

LineWriter::LineWriter(const InfluxWriteSettings& settings, const HttpClientSettings& http) {
  validate(settings);
  impl_ = std::make_unique<Impl>(settings, http);
}
LineWriter::~LineWriter() = default;

void LineWriter::put(std::string line) {
  if (line.empty()) return;
  const std::lock_guard lock(impl_->mutex);
  ++impl_->all;
  if (impl_->waiting.size() >= impl_->most) {
    impl_->waiting.pop_front();
    if (++impl_->counts.dropped == 1) log_warning("{}: points are dropped, more wait than influx-queue", impl_->url);
  }
  impl_->waiting.push_back(std::move(line));
  if (impl_->waiting.size() == 1 || impl_->waiting.size() == kLines) impl_->changed.notify_all();
}

void LineWriter::finish(Duration timeout) {
  std::unique_lock lock(impl_->mutex);
  impl_->finishing = true;
  impl_->changed.notify_all();
  const std::int64_t all = impl_->all;
  impl_->idle.wait_for(lock, std::chrono::nanoseconds(timeout.ns),
                       [&] { return impl_->gave_up || impl_->counts.written + impl_->counts.dropped >= all; });
  impl_->counts.dropped += static_cast<std::int64_t>(impl_->waiting.size());
  impl_->waiting.clear();
  lock.unlock();
  impl_->thread.request_stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

LineWriterCounts LineWriter::counts() const {
  const std::lock_guard lock(impl_->mutex);
  LineWriterCounts counts = impl_->counts;
  counts.waiting = static_cast<std::int64_t>(impl_->waiting.size());
  return counts;
}

}  // namespace anomctl
