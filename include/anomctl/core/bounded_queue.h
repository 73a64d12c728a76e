// A queue between two threads with a bound and a named behaviour when full, which is counted.
// Thread rule: every member is safe from any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

namespace anomctl {

enum class WhenFull { wait, drop_newest, drop_oldest };

template <class T>
class BoundedQueue {
 public:
  BoundedQueue(std::size_t capacity, WhenFull when_full) : capacity_(capacity), when_full_(when_full) {}

  // False when the item (drop_newest) was dropped, or the queue is closed, or `stop` came while waiting.
  bool push(T item, std::stop_token stop = {}) {
    std::unique_lock lock(mutex_);
    if (items_.size() >= capacity_ && !closed_) {
      if (when_full_ == WhenFull::drop_newest) {
        ++dropped_;
        return false;
      }
      if (when_full_ == WhenFull::drop_oldest) {
        items_.pop_front();
        ++dropped_;
      } else if (!not_full_.wait(lock, stop, [&] { return items_.size() < capacity_ || closed_; })) {
        return false;
      }
    }
    if (closed_) return false;
    items_.push_back(std::move(item));
    not_empty_.notify_one();
    return true;
  }
  // Waits for an item; nothing when the queue is closed and empty, or `stop` came.
  std::optional<T> pop(std::stop_token stop = {}) {
    std::unique_lock lock(mutex_);
    if (!not_empty_.wait(lock, stop, [&] { return !items_.empty() || closed_; })) return std::nullopt;
    return take();
  }
  template <class Rep, class Period>
  std::optional<T> pop_for(std::chrono::duration<Rep, Period> timeout, std::stop_token stop = {}) {
    std::unique_lock lock(mutex_);
    not_empty_.wait_for(lock, stop, timeout, [&] { return !items_.empty() || closed_; });
    return take();
  }
  // No more items come in; those inside can still be taken.
  void close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    not_empty_.notify_all();
    not_full_.notify_all();
  }
  std::size_t size() const {
    std::lock_guard lock(mutex_);
    return items_.size();
  }
  std::uint64_t dropped() const {
    std::lock_guard lock(mutex_);
    return dropped_;
  }

 private:
  std::optional<T> take() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    not_full_.notify_one();
    return item;
  }

  mutable std::mutex mutex_;
  std::condition_variable_any not_empty_, not_full_;
  std::deque<T> items_;
  const std::size_t capacity_;
  const WhenFull when_full_;
  bool closed_ = false;
  std::uint64_t dropped_ = 0;
};

}  // namespace anomctl
