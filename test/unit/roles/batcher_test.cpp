#include "roles/serve/batcher.h"

#include <future>
#include <latch>
#include <random>

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;
using namespace anomctl::serve;

namespace {

constexpr std::size_t kValues = 6;  // of one window, stands for (w + 1) * k

// Score: the window's first value; contribution and expected carry it on, so that a mix-up shows everywhere.
WindowScores echo(const Windows& asked) {
  const std::size_t n = asked.n;
  const std::span<const double> windows = asked.values;
  WindowScores scores{std::vector<double>(n), Matrix<double>(n, 2), Matrix<double>(n, 2), Matrix<double>(n, 0)};
  for (std::size_t i = 0; i < n; ++i) {
    const double first = windows[i * kValues];
    scores.score[i] = first;
    scores.contribution(i, 1) = 2 * first;
    scores.expected(i, 0) = 3 * first;
  }
  return scores;
}

BatchJob job_of(std::size_t n, double first, std::function<void(BatchOutcome)> done) {
  BatchJob job{std::vector<double>(n * kValues), {}, n, std::move(done)};
  for (std::size_t i = 0; i < n; ++i) job.windows[i * kValues] = first + static_cast<double>(i);
  return job;
}

}  // namespace

TEST_CASE("reply i belongs to request i, for random sizes, batches and workers") {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    BatchSettings settings;
    settings.max_batch_size = std::uniform_int_distribution<int>(1, 40)(random);
    settings.max_batch_delay = Duration{std::uniform_int_distribution<int>(0, 1)(random) * 100 * kMicrosecond};
    settings.workers = std::uniform_int_distribution<int>(1, 4)(random);
    std::atomic<int> wrong{0}, answered{0}, shared{0};
    int submitted = 0;
    {
      Batcher batcher(settings, echo);
      double first = 0;
      for (int i = 0; i < 60; ++i) {
        const auto n = std::uniform_int_distribution<std::size_t>(1, 12)(random);
        BatchJob job = job_of(n, first, [&, n, first](BatchOutcome outcome) {
          bool right =
              outcome.error.empty() && outcome.scores.score.size() == n && outcome.scores.contribution.rows() == n;
          for (std::size_t r = 0; right && r < n; ++r) {
            const double x = first + static_cast<double>(r);
            right = outcome.scores.score[r] == x && outcome.scores.contribution(r, 1) == 2 * x &&
                    outcome.scores.expected(r, 0) == 3 * x;
          }
          if (!right) ++wrong;
          if (outcome.batch > n) ++shared;
          ++answered;
        });
        REQUIRE(batcher.submit(job) == Batcher::Submitted::taken);
        ++submitted;
        first += static_cast<double>(n);
      }
    }
    CHECK(wrong == 0);
    CHECK(answered == submitted);
    if (settings.max_batch_size >= 24 && settings.workers == 1) CHECK(shared > 0);
  }
}

TEST_CASE("a full queue refuses, and takes again when it is empty") {
  std::latch scoring(1), go(1);
  std::atomic<bool> first{true};
  BatchSettings settings;
  settings.max_queue = 4;
  settings.workers = 1;
  Batcher batcher(settings, [&](const Windows& windows) {
    if (first.exchange(false)) {
      scoring.count_down();
      go.wait();
    }
    return echo(windows);
  });
  std::atomic<int> answered{0};
  const auto count = [&](const BatchOutcome&) { ++answered; };
  BatchJob busy = job_of(1, 0, count), waits = job_of(4, 0, count), more = job_of(1, 0, count);
  CHECK(batcher.submit(busy) == Batcher::Submitted::taken);
  scoring.wait();
  CHECK(batcher.submit(waits) == Batcher::Submitted::taken);
  CHECK(batcher.waiting() == 4);
  CHECK(batcher.submit(more) == Batcher::Submitted::full);
  CHECK(more.windows.size() == kValues);  // untouched
  CHECK(batcher.retry_after() >= 1);
  go.count_down();
  batcher.drain();
  CHECK(answered == 2);
  CHECK(batcher.submit(more) == Batcher::Submitted::closed);
}

TEST_CASE("one bad job in a batch fails alone") {
  std::latch scoring(1), go(1);
  std::atomic<bool> first{true};
  BatchSettings settings;
  settings.workers = 1;
  Batcher batcher(settings, [&](const Windows& windows) {
    if (first.exchange(false)) {
      scoring.count_down();
      go.wait();
    }
    for (std::size_t i = 0; i < windows.n; ++i)
      if (windows.values[i * kValues] == 13) throw failed("thirteen");
    return echo(windows);
  });
  std::vector<std::promise<BatchOutcome>> promises(4);
  const double firsts[] = {1, 5, 13, 20};
  for (std::size_t i = 0; i < 4; ++i) {
    BatchJob job = job_of(1, firsts[i], [&, i](BatchOutcome outcome) { promises[i].set_value(std::move(outcome)); });
    REQUIRE(batcher.submit(job) == Batcher::Submitted::taken);
    if (i == 0) scoring.wait();  // the others share the next batch
  }
  go.count_down();
  for (std::size_t i = 0; i < 4; ++i) {
    const BatchOutcome outcome = promises[i].get_future().get();
    if (firsts[i] == 13)
      CHECK(outcome.error == "thirteen");
    else
      CHECK(outcome.scores.score == std::vector<double>{firsts[i]});
  }
}
