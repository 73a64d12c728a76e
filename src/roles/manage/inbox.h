// Readings between the broker and the thread that judges. With a folder they are on disk before `put` returns, and so
// before the broker gets its acknowledgement; what does not fit into memory waits on disk, and what an earlier process
// had not judged for good comes first. A reading that is delivered again is recognised. Private to manage. Thread rule:
// every member is safe from any thread; `put` is for one thread at a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "anomctl/core/time.h"
#include "anomctl/io/spool/spool_file.h"

namespace anomctl::manage {

struct Reading {
  std::int64_t number = 0;  // in the order of arrival, from 1 on, also over restarts
  std::string asset, payload;
  Nanoseconds received = 0;
};

// The messages that came last, as hashes: the same content again is the same reading.
class Recent {
 public:
  bool knows(const std::string& asset, const std::string& payload) const;
  void add(const std::string& asset, const std::string& payload);

 private:
  std::deque<std::size_t> order_;
  std::unordered_map<std::size_t, std::size_t> known_;  // hash -> how often it is in order_
};

struct InboxSettings {
  fs::path folder;  // empty: nothing is kept
  bool durable = false;
  std::uint64_t max_bytes = 0;
  std::size_t max_in_memory = 0;
  std::int64_t settled = 0;  // readings up to this number were judged by an earlier process
  // Whether a message says by itself when it was taken; one that does not is never the same as another.
  std::function<bool(const std::string& payload)> stamped;
};

class Inbox {
 public:
  explicit Inbox(InboxSettings settings);

  // Stores it. Where that fails it waits until it does not, and with it the whole MQTT library, for then the reading
  // must not be acknowledged: hold_back() is there to not let it come so far. False: closed before it was stored.
  bool put(Reading reading);
  // Why readings should stop coming, empty: they should not. Little room on the disk or, without a folder, in memory.
  std::string hold_back();
  // The next one; nothing after the time or when it is closed and empty.
  std::optional<Reading> pop_for(std::chrono::nanoseconds timeout);
  // Nothing comes in any more; what waits can still be taken.
  void close();
  // Readings up to `judged` are not needed for verdicts any more, up to `forget` not for anything.
  void settle(std::int64_t judged, std::int64_t forget);

  bool stuck() const;             // `put` waits
  bool idle() const;              // nothing can be taken at once
  std::size_t waiting() const;    // in memory
  std::string trouble() const;    // why readings cannot be stored right now, empty: they can
  std::int64_t repeated() const;  // readings that had come before
  std::int64_t dropped() const;   // for want of room, not judged
  SpoolDamage damage() const;

 private:
  bool take_in(Reading& reading);
  void read_on();

  InboxSettings settings_;
  std::unique_ptr<SpoolFile> file_;
  Recent recent_;  // of the thread that puts
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Reading> waiting_;
  bool behind_ = false;    // there is more on disk than in `waiting_`
  std::int64_t next_ = 1;  // on disk
  std::int64_t last_ = 0, repeated_ = 0;
  bool closed_ = false, stuck_ = false;
  std::string trouble_, holding_;
};

}  // namespace anomctl::manage
