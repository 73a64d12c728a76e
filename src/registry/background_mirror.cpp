#include "registry/background_mirror.h"

#include <algorithm>
#include <chrono>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/io/net/backoff.h"

namespace anomctl {
namespace {

// News that come close together are sent together.
constexpr std::chrono::milliseconds kGather(300);

// A wait is told after so long; and who was told to stop still says so to a server that listens.
constexpr std::chrono::milliseconds kSilentWait(2000), kLastMoment(1000);

}  // namespace

BackgroundMirror::BackgroundMirror(Parts parts)
    : parts_(std::move(parts)), thread_([this](std::stop_token stop) { work(stop); }) {}

BackgroundMirror::~BackgroundMirror() { finish({}); }

void BackgroundMirror::changed() {
  const std::lock_guard lock(mutex_);
  changed_ = true;
  news_.notify_all();
}

bool BackgroundMirror::finish(Duration longest, std::stop_token stop) {
  {
    std::unique_lock lock(mutex_);
    last_ = true;
    news_.notify_all();
    const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(longest.ns);
    const auto done = [&] { return done_; };
    if (!news_.wait_until(lock, stop, std::min(until, std::chrono::steady_clock::now() + kSilentWait), done) &&
        !stop.stop_requested() && std::chrono::steady_clock::now() < until) {
      log_info("waiting for {}, which lacks a part of run {}: at most {}", parts_.url, parts_.run,
               format_duration(longest));
      news_.wait_until(lock, stop, until, done);
    }
    if (stop.stop_requested())
      news_.wait_until(lock, std::min(until, std::chrono::steady_clock::now() + kLastMoment), done);
  }
  thread_.request_stop();
  parts_.cancel();
  if (thread_.joinable()) thread_.join();
  return whole_;
}

bool BackgroundMirror::try_once(std::stop_token stop) {
  try {
    parts_.send(stop);
    if (!trouble_.empty()) log_info("the tracking server {} answers again", parts_.url);
    trouble_.clear();
    return true;
  } catch (const std::exception& error) {
    if (!stop.stop_requested() && trouble_ != error.what()) {
      trouble_ = error.what();
      log_warning("{}; run {} goes on in {}, and what is missing is sent later", trouble_, parts_.run, parts_.local);
    }
    return false;
  }
}

void BackgroundMirror::work(std::stop_token stop) {
  Backoff backoff(milliseconds(500), seconds(30));
  bool failed_before = false;
  while (!stop.stop_requested()) {
    bool last = false;
    {
      std::unique_lock lock(mutex_);
      if (failed_before) news_.wait_for(lock, stop, std::chrono::nanoseconds(backoff.next().ns), [&] { return last_; });
      news_.wait(lock, stop, [&] { return changed_ || last_; });
      news_.wait_for(lock, stop, kGather, [&] { return last_; });
      if (stop.stop_requested()) break;
      changed_ = false;
      last = last_;
    }
    const bool sent = try_once(stop);
    failed_before = !sent;
    if (sent) backoff.reset();
    const std::lock_guard lock(mutex_);
    if (!sent) changed_ = true;
    if (last) {
      whole_ = sent;
      break;
    }
  }
  const std::lock_guard lock(mutex_);
  done_ = true;
  news_.notify_all();
}

}  // namespace anomctl
