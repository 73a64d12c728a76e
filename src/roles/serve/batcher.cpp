#include "roles/serve/batcher.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "anomctl/core/log.h"

namespace anomctl::serve {

namespace {

double since(Nanoseconds start) { return static_cast<double>(system_clock().steady() - start) / 1e9; }

template <class T>
Matrix<T> rows_of(const Matrix<T>& all, std::size_t first, std::size_t n) {
  Matrix<T> part(n, all.cols());
  const auto rows = all.rows_view(first, n);
  std::copy(rows.begin(), rows.end(), part.data());
  return part;
}

WindowScores part_of(const WindowScores& all, std::size_t first, std::size_t n) {
  const auto begin = all.score.begin() + static_cast<std::ptrdiff_t>(first);
  return {{begin, begin + static_cast<std::ptrdiff_t>(n)},
          rows_of(all.contribution, first, n),
          rows_of(all.expected, first, n),
          rows_of(all.members, first, n)};
}

}  // namespace

Batcher::Batcher(const BatchSettings& settings, Score score) : settings_(settings), score_(std::move(score)) {
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t n = settings_.workers > 0 ? static_cast<std::size_t>(settings_.workers) : cores;
  for (std::size_t i = 0; i < n; ++i) workers_.emplace_back([this] { work(); });
}

Batcher::~Batcher() { drain(); }

Batcher::Submitted Batcher::submit(BatchJob& job) {
  const std::lock_guard lock(mutex_);
  if (closed_) return Submitted::closed;
  if (waiting_windows_ > 0 && waiting_windows_ + job.n > static_cast<std::size_t>(settings_.max_queue))
    return Submitted::full;
  waiting_windows_ += job.n;
  queue_.push_back({std::move(job), system_clock().steady()});
  news_.notify_one();
  return Submitted::taken;
}

void Batcher::drain() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    news_.notify_all();
  }
  for (std::thread& worker : workers_)
    if (worker.joinable()) worker.join();
}

std::size_t Batcher::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_windows_;
}

int Batcher::retry_after() const {
  const std::lock_guard lock(mutex_);
  const double wait = static_cast<double>(waiting_windows_) * seconds_a_window_ / static_cast<double>(workers_.size());
  return static_cast<int>(std::clamp(std::ceil(wait), 1.0, 60.0));
}

void Batcher::work() {
  for (;;) {
    std::vector<Waiting> batch = next_batch();
    if (batch.empty()) return;
    score_batch(std::move(batch));
  }
}

// Empty once closed and nothing waits.
std::vector<Batcher::Waiting> Batcher::next_batch() {
  const auto full = static_cast<std::size_t>(settings_.max_batch_size);
  std::unique_lock lock(mutex_);
  for (;;) {
    news_.wait(lock, [&] { return closed_ || !queue_.empty(); });
    if (queue_.empty()) return {};
    const Nanoseconds due = queue_.front().arrived + settings_.max_batch_delay.ns;
    const Nanoseconds now = system_clock().steady();
    if (closed_ || waiting_windows_ >= full || now >= due) break;
    news_.wait_for(lock, std::chrono::nanoseconds(due - now));
  }
  std::vector<Waiting> batch;
  for (std::size_t windows = 0; !queue_.empty() && (batch.empty() || windows + queue_.front().job.n <= full);) {
    windows += queue_.front().job.n;
    waiting_windows_ -= queue_.front().job.n;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  if (!queue_.empty()) news_.notify_one();
  return batch;
}

void Batcher::score_batch(std::vector<Waiting> batch) {
  const Nanoseconds start = system_clock().steady();
  if (batch.size() == 1) return score_one(batch.front(), since(batch.front().arrived));
  std::vector<double> windows;
  std::vector<std::uint8_t> missing;
  std::size_t n = 0, values = 0, sensors = 0;
  for (const Waiting& waiting : batch) {
    values += waiting.job.windows.size();
    sensors = std::max(sensors, waiting.job.missing.size() / waiting.job.n);
  }
  windows.reserve(values);
  for (const Waiting& waiting : batch) {
    windows.insert(windows.end(), waiting.job.windows.begin(), waiting.job.windows.end());
    n += waiting.job.n;
    missing.insert(missing.end(), waiting.job.missing.begin(), waiting.job.missing.end());
    missing.resize(n * sensors);  // 0 of those that did not say
  }
  WindowScores scores;
  try {
    scores = score_({n, windows, missing});
  } catch (const std::exception& e) {
    // One of them spoils the batch: each is tried alone, so that only the culprit fails.
    log_debug("a batch of {} requests failed: {}", batch.size(), e.what());
    for (Waiting& waiting : batch) score_one(waiting, since(waiting.arrived));
    return;
  }
  const double took = since(start);
  {
    const std::lock_guard lock(mutex_);
    seconds_a_window_ += 0.1 * (took / static_cast<double>(n) - seconds_a_window_);
  }
  std::size_t first = 0;
  for (Waiting& waiting : batch) {
    BatchOutcome outcome{
        part_of(scores, first, waiting.job.n), {}, static_cast<double>(start - waiting.arrived) / 1e9, took, n};
    first += waiting.job.n;
    waiting.job.done(std::move(outcome));
  }
}

void Batcher::score_one(Waiting& waiting, double queued_s) {
  const Nanoseconds start = system_clock().steady();
  BatchOutcome outcome;
  outcome.queued_s = queued_s;
  outcome.batch = waiting.job.n;
  try {
    outcome.scores = score_({waiting.job.n, waiting.job.windows, waiting.job.missing});
  } catch (const std::exception& e) {
    outcome.error = e.what();
  }
  outcome.scored_s = since(start);
  {
    const std::lock_guard lock(mutex_);
    seconds_a_window_ +=
        0.1 * (outcome.scored_s / static_cast<double>(std::max<std::size_t>(1, waiting.job.n)) - seconds_a_window_);
  }
  waiting.job.done(std::move(outcome));
}

}  // namespace anomctl::serve
