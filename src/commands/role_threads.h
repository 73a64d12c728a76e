// Roles that run beside each other in one program. Thread rule: one owner, which starts them and waits.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"

namespace anomctl {

// Runs each role on a thread of its own; the first that fails ends the others.
class RoleThreads {
 public:
  explicit RoleThreads(std::stop_token stop) : pass_on_(stop, [this] { stop_.request_stop(); }) {}

  // What is still running ends, also where an error made the owner leave.
  ~RoleThreads() { stop_.request_stop(); }
  RoleThreads(const RoleThreads&) = delete;
  RoleThreads& operator=(const RoleThreads&) = delete;

  std::stop_token token() const { return stop_.get_token(); }
  bool ended() const { return stop_.stop_requested(); }
  void start(const std::string& name, std::function<void()> work) {
    threads_.emplace_back([this, name, work = std::move(work)] {
      try {
        work();
        log_info("{}: ended", name);
      } catch (const Error& error) {
        fail(name, error);
      } catch (const std::exception& error) {
        fail(name, failed(error.what()));
      }
    });
  }
  void end() { stop_.request_stop(); }
  // Until all have ended; throws the first failure.
  void wait() {
    for (std::jthread& thread : threads_)
      if (thread.joinable()) thread.join();
    if (failure_) throw Error(*failure_);
  }

 private:
  void fail(const std::string& name, const Error& error) {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_.emplace(error.code(), name + ": " + error.what(), error.detail());
    stop_.request_stop();
  }

  std::stop_source stop_;
  std::stop_callback<std::function<void()>> pass_on_;
  std::mutex mutex_;
  std::optional<Error> failure_;
  std::vector<std::jthread> threads_;
};

}  // namespace anomctl
