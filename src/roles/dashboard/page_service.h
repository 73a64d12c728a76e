// What the page asks for: its files, history, alerts, labels, news. Private to dashboard. Thread rule: `handle` from
// any thread; the store is asked on a thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "anomctl/core/bounded_queue.h"
#include "roles/dashboard/event_feed.h"
#include "roles/dashboard/page_guard.h"

namespace anomctl::dashboard {

class PageService {
 public:
  PageService(PageGuard& guard, LiveBoard& board, EventFeed& feed, fs::path store);
  ~PageService() { finish(); }
  PageService(const PageService&) = delete;
  PageService& operator=(const PageService&) = delete;

  // The store is asked no more.
  void finish();
  void handle(HttpRequest request, Reply reply);
  // Assets whose alert was acknowledged on the page.
  BoundedQueue<std::string>& acknowledged() { return acknowledged_; }

 private:
  using StoreWork = std::function<HttpResponse(RecordStore&)>;
  void answer(const HttpRequest& request, const std::string& user, Reply reply);
  // Has the store asked, and its answer sent.
  void ask(Reply reply, StoreWork work);
  HttpResponse history(RecordStore& store, const std::string& asset, std::size_t rows);
  HttpResponse episodes(RecordStore& store, const EpisodeQuery& query);
  HttpResponse add_label(RecordStore& store, const std::string& body, const std::string& user);
  void work(std::stop_token stop);

  PageGuard& guard_;
  LiveBoard& board_;
  EventFeed& feed_;
  const fs::path store_path_;
  BoundedQueue<std::string> acknowledged_{256, WhenFull::drop_oldest};
  BoundedQueue<std::function<void(RecordStore*, const std::string& why)>> questions_{64, WhenFull::drop_newest};
  std::jthread worker_;
};

}  // namespace anomctl::dashboard
