// The meeting point of a connection that waits and the thread that answers. Private to http_server.cpp (it opens Asio).
// Thread rule: Pending's send and wake from any thread; the rest on the connection's thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

#include "anomctl/io/net/http_server.h"

namespace anomctl::net {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

struct Waiter;

// Where the answer of one request arrives, from any thread, also after the connection or the server has ended.
struct Pending : Reply::Sink, std::enable_shared_from_this<Pending> {
  void send(HttpResponse answer) override;
  void wake();
  std::mutex mutex;
  Waiter* waiter = nullptr;  // the connection that waits; under mutex, changed on its thread only
  // On that thread only:
  std::optional<HttpResponse> response;
  bool woken = false;  // a stream has news
};

// Lives in the coroutine that waits. The timer never expires; cancelling it wakes the coroutine.
struct Waiter {
  explicit Waiter(const asio::any_io_executor& on) : executor(on), timer(on, SteadyClock::time_point::max()) {
    pending->waiter = this;
  }
  ~Waiter() {
    const std::lock_guard lock(pending->mutex);
    pending->waiter = nullptr;
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  asio::any_io_executor executor;
  asio::steady_timer timer;
  std::shared_ptr<Pending> pending = std::make_shared<Pending>();
};

inline void Pending::send(HttpResponse answer) {
  const std::lock_guard lock(mutex);
  if (!waiter) return;
  asio::post(waiter->executor, [self = shared_from_this(), answer = std::move(answer)]() mutable {
    self->response = std::move(answer);
    if (self->waiter) self->waiter->timer.cancel();
  });
}

inline void Pending::wake() {
  const std::lock_guard lock(mutex);
  if (!waiter) return;
  asio::post(waiter->executor, [self = shared_from_this()] {
    self->woken = true;
    if (self->waiter) self->waiter->timer.cancel();
  });
}

}  // namespace anomctl::net
