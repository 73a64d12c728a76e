#include "anomctl/io/store/store_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"

namespace anomctl {
namespace {

RecordStore open_store(const fs::path& path) {
  // A limit on the size of files is a write that fails, not the end of the program.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    return {path, RecordStore::Open::create};
  } catch (const Error& error) {
    if (error.code() != ExitCode::bad_input) throw;
    log_error("{}: it is put aside as {}.damaged, a new one begins", error.what(), path.string());
  }
  std::error_code ec;
  fs::rename(path, path.string() + ".damaged", ec);
  if (ec) throw failed(fmt::format("{}: {}", path.string(), ec.message()));
  for (const char* tail : {"-wal", "-shm"}) fs::remove(path.string() + tail, ec);
  return {path, RecordStore::Open::create};
}

}  // namespace

StoreWriter::StoreWriter(StoreWriterSettings settings)
    : settings_(std::move(settings)), store_(open_store(settings_.path)), thread_([this] { work(); }) {}

void StoreWriter::finish() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    news_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void StoreWriter::set_layout(StoredLayout layout) {
  const std::lock_guard lock(mutex_);
  layout_ = std::make_shared<const StoredLayout>(std::move(layout));
}

void StoreWriter::put(StoredRow row) {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty()) oldest_ = system_clock().steady();
  waiting_.rows.push_back(std::move(row));
  waiting_.rows.back().layout = layout_;
  make_room();
  if (waiting_.rows.size() >= settings_.batch_rows) news_.notify_one();
}

void StoreWriter::put(StoredEpisode episode) {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty()) oldest_ = system_clock().steady();
  waiting_.episodes.push_back(std::move(episode));
  news_.notify_one();  // people wait for it
}

// With the mutex. A tenth at once, at least: the front of a vector is dear.
void StoreWriter::make_room() {
  if (waiting_.rows.size() <= settings_.max_waiting) return;
  const std::size_t over = waiting_.rows.size() - settings_.max_waiting;
  const auto gone = static_cast<std::ptrdiff_t>(std::max(over, settings_.max_waiting / 10 + 1));
  waiting_.rows.erase(waiting_.rows.begin(), waiting_.rows.begin() + gone);
  if (counts_.dropped == 0)
    log_warning("{}: rows are dropped from the history, judging goes on", settings_.path.string());
  counts_.dropped += gone;
}

StoreWriterCounts StoreWriter::counts() const {
  const std::lock_guard lock(mutex_);
  StoreWriterCounts counts = counts_;
  counts.waiting = static_cast<std::int64_t>(waiting_.rows.size());
  return counts;
}

bool StoreWriter::write_batch() {
  RecordStore::Batch batch;
  {
    const std::lock_guard lock(mutex_);
    std::swap(batch, waiting_);
  }
  if (batch.empty()) return true;
  const std::string trouble = store_.write({}, batch, system_clock().now());
  const std::int64_t pruned = trouble.empty() ? store_.prune(settings_.bounds, system_clock().now()) : 0;
  const std::lock_guard lock(mutex_);
  if (trouble != counts_.trouble) {
    if (!trouble.empty())
      log_warning("{}: the history is not written, judging goes on", trouble);
    else
      log_info("{}: the history is written again", settings_.path.string());
  }
  counts_.trouble = trouble;
  counts_.pruned += pruned;
  if (trouble.empty()) {
    counts_.stored += static_cast<std::int64_t>(batch.rows.size());
    return true;
  }
  // Back in front of what came meanwhile.
  batch.rows.insert(batch.rows.end(), std::make_move_iterator(waiting_.rows.begin()),
                    std::make_move_iterator(waiting_.rows.end()));
  batch.episodes.insert(batch.episodes.end(), std::make_move_iterator(waiting_.episodes.begin()),
                        std::make_move_iterator(waiting_.episodes.end()));
  waiting_ = std::move(batch);
  make_room();
  return false;
}

void StoreWriter::work() {
  using std::chrono::nanoseconds;
  const auto left = [](Nanoseconds until) { return nanoseconds(until - system_clock().steady()); };
  for (bool good = true;;) {
    bool closing = false;
    {
      std::unique_lock lock(mutex_);
      const auto full = [&] {
        return closing_ || waiting_.rows.size() >= settings_.batch_rows || !waiting_.episodes.empty();
      };
      if (!good)
        news_.wait_for(lock, nanoseconds(settings_.retry.ns), [&] { return closing_; });
      else if (waiting_.empty())
        news_.wait_for(lock, nanoseconds(settings_.batch_wait.ns), full);
      else
        news_.wait_for(lock, left(oldest_ + settings_.batch_wait.ns), full);
      closing = closing_;
    }
    good = write_batch();
    if (!closing) continue;
    for (const Nanoseconds end = system_clock().steady() + settings_.close_within.ns;
         !good && system_clock().steady() < end; good = write_batch())
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const std::lock_guard lock(mutex_);
    if (!good) counts_.dropped += static_cast<std::int64_t>(waiting_.rows.size());
    if (!good) log_warning("{}: {} rows of the history are lost", settings_.path.string(), waiting_.rows.size());
    return;
  }
}

}  // namespace anomctl
