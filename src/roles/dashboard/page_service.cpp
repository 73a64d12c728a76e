#include "roles/dashboard/page_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/core/log.h"
#include "roles/dashboard/page_files.h"
#include "roles/dashboard/page_json.h"

namespace anomctl::dashboard {
namespace {

constexpr std::size_t kMostRows = 7200, kMostEpisodes = 1000, kLongestComment = 2000;

std::string text_of(const HttpRequest& request, std::string_view name) {
  std::string text = query_value(request.query, name).value_or(std::string());
  if (!is_utf8(text)) throw UsageError(fmt::format("{}: it is no text", name));
  return text;
}

std::size_t number_of(const HttpRequest& request, std::string_view name, std::size_t fallback, std::size_t most) {
  const std::string text = text_of(request, name);
  std::size_t n = fallback;
  if (!text.empty()) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size())
      throw UsageError(fmt::format("{}: '{}' is no number", name, text));
  }
  return std::clamp<std::size_t>(n, 1, most);
}

HttpResponse guarded(HttpResponse response) {
  response.headers.add("x-content-type-options", "nosniff");
  response.headers.add("cache-control", "no-store");
  response.headers.add("cross-origin-resource-policy", "same-origin");
  return response;
}

}  // namespace

PageService::PageService(PageGuard& guard, LiveBoard& board, EventFeed& feed, fs::path store)
    : guard_(guard), board_(board), feed_(feed), store_path_(std::move(store)), worker_([this](std::stop_token stop) {
        work(stop);
      }) {}

void PageService::finish() {
  questions_.close();
  worker_.request_stop();
  if (worker_.joinable()) worker_.join();
}

void PageService::handle(HttpRequest request, Reply reply) {
  if (!request.path.starts_with("/api/")) return reply.send(page_file(request));
  auto kept = std::make_shared<std::pair<HttpRequest, Reply>>(std::move(request), std::move(reply));
  guard_.decide(kept->first, [this, kept](serve::AccessDecision decision) {
    if (decision.refusal) return kept->second.send(guarded(std::move(*decision.refusal)));
    answer(kept->first, decision.user, std::move(kept->second));
  });
}

void PageService::answer(const HttpRequest& request, const std::string& user, Reply reply) {
  const bool gets = request.method == "GET", posts = request.method == "POST";
  try {
    if (request.path == "/api/events" && gets) {
      HttpResponse response;
      response.headers.add("content-type", "text/event-stream");
      response.stream = feed_.join(text_of(request, "asset"));
      if (response.stream == nullptr)
        return reply.send(guarded(error_response(503, fmt::format("{} pages are open already", kMostPages))));
      return reply.send(guarded(std::move(response)));
    }
    if (request.path == "/api/history" && gets) {
      const std::string asset = text_of(request, "asset");
      const std::size_t rows = number_of(request, "rows", 600, kMostRows);
      return ask(std::move(reply), [=, this](RecordStore& store) { return history(store, asset, rows); });
    }
    if (request.path == "/api/episodes" && gets) {
      EpisodeQuery query;
      query.asset = text_of(request, "asset");
      query.limit = number_of(request, "limit", 200, kMostEpisodes);
      if (const std::string before = text_of(request, "before"); !before.empty()) {
        const auto stamp = parse_stamp(before);
        if (!stamp) throw UsageError(fmt::format("before: '{}' is no stamp", before));
        query.before = stamp->time;
      }
      return ask(std::move(reply), [=, this](RecordStore& store) { return episodes(store, query); });
    }
    if (request.path == "/api/labels" && posts)
      return ask(std::move(reply),
                 [this, body = request.body, user](RecordStore& store) { return add_label(store, body, user); });
    reply.send(guarded(error_response(404, "Not Found")));
  } catch (const Error& error) {
    reply.send(guarded(error_response(400, error.what())));
  }
}

void PageService::ask(Reply reply, StoreWork work) {
  auto kept = std::make_shared<Reply>(std::move(reply));
  const bool taken = questions_.push([kept, work = std::move(work)](RecordStore* store, const std::string& why) {
    HttpResponse response;
    try {
      response = store != nullptr ? work(*store) : error_response(503, why);
    } catch (const UsageError& error) {
      response = error_response(400, error.what());
    } catch (const Error& error) {
      response = error_response(error.code() == ExitCode::bad_input ? 400 : 503, error.what());
    }
    kept->send(guarded(std::move(response)));
  });
  if (!taken) kept->send(guarded(error_response(503, "too many questions wait: try again")));
}

void PageService::work(std::stop_token stop) {
  std::optional<RecordStore> store;
  bool remembered = false;
  while (!stop.stop_requested()) {
    std::string why;
    try {
      // Tried again with the next question where it cannot be opened.
      if (!store) store.emplace(store_path_, RecordStore::Open::create);
      if (!std::exchange(remembered, true)) board_.remember(store->last_rows());
    } catch (const Error& error) {
      why = error.what();
    }
    const auto question = questions_.pop_for(std::chrono::seconds(2), stop);
    guard_.reload();
    if (question) (*question)(store ? &*store : nullptr, why);
  }
}

HttpResponse PageService::history(RecordStore& store, const std::string& asset, std::size_t rows) {
  std::vector<StoredRow> live = board_.rows(asset);
  RowQuery query{asset, std::nullopt, std::nullopt, rows};
  // A clock that was set back: what is newer by its stamp is older.
  if (!live.empty()) query.to = live.back().time;
  StoredRows stored = store.rows(query);
  // What the store does not have yet.
  for (StoredRow& row : live)
    if (stored.rows.empty() || row.time > stored.rows.back().time) stored.rows.push_back(std::move(row));
  if (stored.rows.size() > rows)
    stored.rows.erase(stored.rows.begin(), stored.rows.end() - static_cast<std::ptrdiff_t>(rows));
  if (stored.layout.columns.empty()) stored.layout = board_.layout().value_or(StoredLayout{});
  return json_response(
      200, fmt::format("{{\"asset\":{},\"layout\":{},\"rows\":{}}}", json_text(asset), layout_json(stored.layout),
                       rows_json(stored.rows, stored.layout.columns.size())));
}

HttpResponse PageService::episodes(RecordStore& store, const EpisodeQuery& query) {
  std::map<std::string, std::vector<StoredLabel>> labels;
  for (StoredLabel& label : store.labels(query.asset)) labels[label.episode].push_back(std::move(label));
  std::vector<StoredEpisode> all = store.episodes(query);
  // What the store does not have yet.
  for (StoredEpisode& episode : board_.episodes()) {
    if (!query.asset.empty() && episode.asset != query.asset) continue;
    if (query.before && episode.start >= *query.before) continue;
    const auto known = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.id == episode.id; });
    if (known == all.end())
      all.push_back(std::move(episode));
    else
      *known = std::move(episode);
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.start > b.start; });
  if (all.size() > query.limit) all.resize(query.limit);
  std::string json = "{\"episodes\":[";
  bool first = true;
  for (const StoredEpisode& episode : all) {
    json += (std::exchange(first, false) ? "" : ",") + episode_json(episode.body, labels[episode.id]);
  }
  return json_response(200, json + "]}");
}

HttpResponse PageService::add_label(RecordStore& store, const std::string& body, const std::string& user) {
  const Json json = Json::parse(body, "label");
  StoredLabel label;
  label.episode = json.string_or("episode", "");
  label.kind = json.string_or("kind", "");
  label.comment = json.string_or("comment", "");
  label.author = user.empty() ? "page" : user;
  label.time = system_clock().now();
  if (!is_label_kind(label.kind)) throw UsageError("kind: one of true, false, none, acknowledged, comment");
  if (label.kind == "comment" && label.comment.empty()) throw UsageError("comment: it is empty");
  if (label.comment.size() > kLongestComment)
    throw UsageError(fmt::format("comment: longer than {} characters", kLongestComment));
  auto found = board_.episode(label.episode);
  if (!found && !label.episode.empty())
    if (auto stored = store.episodes({{}, label.episode, std::nullopt, 1}); !stored.empty()) found = stored.front();
  if (!found) return error_response(404, "there is no such episode");
  label.asset = found->asset;
  label.start = found->start;
  label.end = found->end;
  label.number = store.add_label(label);
  if (label.kind == "acknowledged") acknowledged_.push(label.asset);
  std::string text = label_json(label);
  feed_.say(event_text("label", text));
  return json_response(200, std::move(text));
}

}  // namespace anomctl::dashboard
