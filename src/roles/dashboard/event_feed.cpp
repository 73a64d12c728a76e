#include "roles/dashboard/event_feed.h"

#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"
#include "roles/dashboard/page_json.h"

namespace anomctl::dashboard {
namespace {

constexpr long long kTickMs = 500;

}  // namespace

EventFeed::~EventFeed() {
  thread_.request_stop();
  thread_.join();
  for (const Page& page : pages_) page.body->close();
}

std::shared_ptr<BodyStream> EventFeed::join(std::string asset) {
  auto body = std::make_shared<BodyStream>(64);
  const std::lock_guard lock(mutex_);
  std::erase_if(pages_, [](const Page& page) { return page.body->client_gone(); });
  if (pages_.size() >= kMostPages) return nullptr;
  if (!asset.empty()) board_.watch(asset);  // at once, for the page asks for what was before after this
  pages_.push_back({body, std::move(asset)});
  return body;
}

void EventFeed::say(std::string event) {
  const std::lock_guard lock(mutex_);
  said_.push_back(std::move(event));
}

void EventFeed::work(std::stop_token stop) {
  while (!wait_for_stop(stop, kTickMs)) {
    try {
      tick();
    } catch (const std::exception& error) {
      log_error("the page's news could not be told: {}", error.what());
    }
  }
}

void EventFeed::tick() {
  const std::lock_guard lock(mutex_);
  std::erase_if(pages_, [](const Page& page) { return page.body->client_gone(); });
  std::set<std::string> watched;
  for (const Page& page : pages_)
    if (!page.asset.empty()) watched.insert(page.asset);
  board_.watch_only(std::move(watched));
  const LiveBoard::News news = board_.take_news();
  std::string shared;
  const auto layout = board_.layout();
  if (layout && !std::exchange(has_layout_, true)) shared += event_text("layout", layout_json(*layout));
  if (news.fleet.size() > 2) shared += event_text("fleet", news.fleet);
  // A page that is new gets these too: it may have asked for the alerts just before.
  std::string told;
  for (const std::string& episode : news.episodes) told += event_text("alert", episode);
  for (const std::string& event : said_) told += event;
  shared += told;
  if (news.health) shared += event_text("health", *news.health);
  said_.clear();
  std::erase_if(pages_, [&](Page& page) {
    std::string text;
    if (page.is_new) {
      text = event_text("layout", layout ? layout_json(*layout) : "null") +
             event_text("whole_fleet", board_.whole_fleet()) + event_text("health", board_.health()) + told;
      page.is_new = false;
    } else {
      text = shared;
    }
    if (const auto rows = news.rows.find(page.asset); rows != news.rows.end()) text += event_text("rows", rows->second);
    if (text.empty() || page.body->push(std::move(text))) return false;
    page.body->close();
    return true;
  });
}

}  // namespace anomctl::dashboard
