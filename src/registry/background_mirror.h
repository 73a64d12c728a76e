// A thread that keeps a run's copy on a server up to date while the run is written, so that no trouble of the server's
// reaches who writes. Private to registry. Thread rule: one thread an object, beside its own.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "anomctl/core/time.h"

namespace anomctl {

class BackgroundMirror {
 public:
  struct Parts {
    // One comparison and sending; throws Error. The token: end soon.
    std::function<void(std::stop_token)> send;
    std::function<void()> cancel;  // ends a call of `send` under way; from any thread
    std::string run, url;          // for people
    std::string local;             // folder
  };
  explicit BackgroundMirror(Parts parts);
  ~BackgroundMirror();  // as finish(0)
  BackgroundMirror(const BackgroundMirror&) = delete;
  BackgroundMirror& operator=(const BackgroundMirror&) = delete;

  void changed();
  // Nothing more will change. Waits until the server has all of it, at most `longest`, after `stop` a moment only, and not
  // at all for one that does not answer. True when it has.
  bool finish(Duration longest, std::stop_token stop = {});

 private:
  void work(std::stop_token stop);
  bool try_once(std::stop_token stop);

  const Parts parts_;
  std::mutex mutex_;
  std::condition_variable_any news_;
  bool changed_ = true, last_ = false, done_ = false, whole_ = false;
  std::string trouble_;  // of the thread
  std::jthread thread_;
};

}  // namespace anomctl
