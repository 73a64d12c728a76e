// Scores the windows of several requests together: up to `max_batch_size` windows, waiting at most `max_batch_delay`
// for more. Reply i belongs to request i. The queue is bounded: what does not fit is refused at once. Thread rule:
// submit from any thread; `done` and `score` are called on the batcher's workers.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/time.h"
#include "anomctl/detection/replay.h"

namespace anomctl::serve {

struct BatchSettings {
  std::int64_t max_batch_size = 64;
  Duration max_batch_delay = {};
  std::int64_t max_queue = 4096;
  std::int64_t workers = 0;

  static void fields(auto& self, auto&& field) {
    field("max_batch_size", self.max_batch_size, "most windows that are scored together", Between{1, 65'536});
    field("max_batch_delay", self.max_batch_delay, "longest time a request waits for others to share its batch");
    field("max_queue", self.max_queue, "windows that may wait; more are answered 429", Between{1, 1e7});
    field("workers", self.workers, "threads that score (0: one a core)", Between{0, 256});
  }
};

struct BatchOutcome {
  WindowScores scores;    // of this job's windows only
  std::string error;      // not empty: scoring failed
  double queued_s = 0;    // from submit to the start of scoring
  double scored_s = 0;    // of the whole batch
  std::size_t batch = 0;  // windows in the batch
};

struct BatchJob {
  std::vector<double> windows;        // (n, w + 1, k)
  std::vector<std::uint8_t> missing;  // (n, k), or empty: no value is
  std::size_t n = 0;
  std::function<void(BatchOutcome)> done;
};

class Batcher {
 public:
  using Score = std::function<WindowScores(const Windows& windows)>;
  enum class Submitted { taken, full, closed };

  Batcher(const BatchSettings& settings, Score score);
  ~Batcher();  // drains
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  // Leaves `job` as it was unless taken. A job larger than the whole queue is taken when nothing waits.
  Submitted submit(BatchJob& job);
  // Takes no more, finishes what waits.
  void drain();
  std::size_t waiting() const;  // windows
  // Seconds until what waits is scored, from the pace so far; at least 1.
  int retry_after() const;

 private:
  struct Waiting {
    BatchJob job;
    Nanoseconds arrived = 0;
  };
  void work();
  std::vector<Waiting> next_batch();
  void score_batch(std::vector<Waiting> batch);
  void score_one(Waiting& waiting, double queued_s);

  const BatchSettings settings_;
  const Score score_;
  mutable std::mutex mutex_;
  std::condition_variable news_;
  std::deque<Waiting> queue_;  // under mutex_, as are the next three
  std::size_t waiting_windows_ = 0;
  double seconds_a_window_ = 0;  // smoothed
  bool closed_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace anomctl::serve
