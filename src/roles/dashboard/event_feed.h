// Server-sent events to every page that is open. Private to dashboard. Thread rule: every member is safe from any
// thread; one thread of its own writes.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "anomctl/io/net/http_server.h"
#include "roles/dashboard/live_board.h"

namespace anomctl::dashboard {

// Each has a connection for as long as it is open, of the kConnections that the server takes.
inline constexpr std::size_t kConnections = 256, kMostPages = 192;

class EventFeed {
 public:
  explicit EventFeed(LiveBoard& board) : board_(board), thread_([this](std::stop_token stop) { work(stop); }) {}
  ~EventFeed();
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  // A page that looks at this asset (empty: at none). It gets all that is known, then what changes; one that reads too
  // slowly is let go and comes back by itself. Null: kMostPages are open, the connections left are for what they ask.
  std::shared_ptr<BodyStream> join(std::string asset);
  void say(std::string event);  // to all

 private:
  struct Page {
    std::shared_ptr<BodyStream> body;
    std::string asset;
    bool is_new = true;
  };
  void work(std::stop_token stop);
  void tick();

  LiveBoard& board_;
  std::mutex mutex_;
  std::vector<Page> pages_;
  std::vector<std::string> said_;
  bool has_layout_ = false;  // was told
  std::jthread thread_;
};

}  // namespace anomctl::dashboard
