// Writes a store behind the back of who judges: what is put waits in memory, bounded, and goes out in batches on a
// thread of its own. A disk that is full or a file that another process holds never holds anybody up: what does not fit
// into memory meanwhile is dropped, the oldest first, and counted. Thread rule: every member is safe from any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "anomctl/io/store/record_store.h"

namespace anomctl {

struct StoreWriterSettings {
  fs::path path;
  StoreBounds bounds;
  std::size_t max_waiting = 50'000;  // rows
  std::size_t batch_rows = 4096;     // are written at once
  Duration batch_wait = seconds(2);  // or when the oldest has waited so long
  Duration retry = seconds(2);       // after it could not be written
  Duration close_within = seconds(10);
};

struct StoreWriterCounts {
  std::int64_t stored = 0, dropped = 0, pruned = 0;  // rows
  std::int64_t waiting = 0;
  std::string trouble;  // why the last batch was not stored, empty after one that was
};

class StoreWriter {
 public:
  // Opens at once; a store that is damaged is put aside as PATH.damaged, and said. Throws Error(failed) where none can
  // be made.
  explicit StoreWriter(StoreWriterSettings settings);
  ~StoreWriter() { finish(); }
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  // Of the rows that follow, until the next. Requires: before the first row.
  void set_layout(StoredLayout layout);
  void put(StoredRow row);
  void put(StoredEpisode episode);
  // Writes what waits, where that goes within `close_within`; nothing is taken afterwards.
  void finish();
  StoreWriterCounts counts() const;

 private:
  void work();
  bool write_batch();
  void make_room();

  const StoreWriterSettings settings_;
  RecordStore store_;  // of the thread
  mutable std::mutex mutex_;
  std::condition_variable news_;
  RecordStore::Batch waiting_;
  std::shared_ptr<const StoredLayout> layout_;
  StoreWriterCounts counts_;
  Nanoseconds oldest_ = 0;  // steady, of what waits
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace anomctl
