// Event loops, one a thread, and a connection stays on its own: nothing of it needs a lock, and no coroutine is resumed
// by another thread than the one that began it. (Asio keeps freed frames by thread, and clang 16 keeps the address of
// such a store in the frame of a coroutine: after a move it would be another thread's.) Private to http_server.cpp.
// Thread rule: `next` on the first loop's thread only, the rest by the owner.
#pragma once

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <thread>
#include <vector>

namespace anomctl::net {

class Loops {
 public:
  explicit Loops(int n) {
    for (int i = 0; i < std::max(1, n); ++i) loops_.push_back(std::make_unique<Loop>());
  }
  ~Loops() { stop(); }
  Loops(const Loops&) = delete;
  Loops& operator=(const Loops&) = delete;

  boost::asio::io_context& first() { return loops_.front()->io; }
  // The loops in turn.
  boost::asio::any_io_executor next() { return loops_[taken_++ % loops_.size()]->io.get_executor(); }
  void run() {
    for (const auto& loop : loops_) threads_.emplace_back([&io = loop->io] { io.run(); });
  }
  // Returns when no handler runs any more.
  void stop() {
    for (const auto& loop : loops_) loop->io.stop();
    threads_.clear();
  }

 private:
  struct Loop {
    boost::asio::io_context io{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> stay = boost::asio::make_work_guard(io);
  };
  std::vector<std::unique_ptr<Loop>> loops_;
  std::size_t taken_ = 0;
  std::vector<std::jthread> threads_;
};

}  // namespace anomctl::net
