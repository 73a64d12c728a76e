#include "roles/dashboard/live_board.h"

#include <fmt/format.h>

#include <algorithm>

#include "roles/dashboard/page_json.h"

namespace anomctl::dashboard {
namespace {

// Rows in memory, of all assets together: they bridge the time until the store has them.
constexpr std::size_t kRows = 20'000, kMostRows = 600, kFewestRows = 5;
constexpr std::size_t kEpisodes = 1000, kFreshEpisodes = 1000;

StoredRow stored(const JudgedRow& row) {
  const Verdict& verdict = row.verdict;
  return {row.asset,
          verdict.time,
          verdict.id,
          verdict.score,
          verdict.threshold,
          verdict.is_anomaly,
          to_string(verdict.state),
          verdict.episode,
          {},
          {row.values.begin(), row.values.end()},
          {row.expected.begin(), row.expected.end()}};
}

}  // namespace

void LiveBoard::take(const JudgedRow& row) {
  StoredRow noted = stored(row);
  const std::lock_guard lock(mutex_);
  if (!layout_) {
    layout_.emplace(StoredLayout{{}, row.bundle.name, row.bundle.period_s});
    for (const Column& column : row.bundle.columns) layout_->columns.push_back({column.name, column.unit});
  }
  Asset& asset = assets_[row.asset];
  asset.state = noted.state;
  asset.score = noted.score;
  asset.limit = noted.threshold;
  asset.time = noted.time;
  asset.sensor = row.verdict.causes.empty() ? std::string() : row.verdict.causes.front().sensor;
  asset.changed = true;
  if (watched_.contains(row.asset)) {
    auto& fresh = fresh_rows_[row.asset];
    fresh.push_back(noted);
    if (fresh.size() > kMostRows) fresh.erase(fresh.begin(), fresh.begin() + kMostRows / 2);
  }
  asset.rows.push_back(std::move(noted));
  const std::size_t most = std::clamp(kRows / assets_.size(), kFewestRows, kMostRows);
  while (asset.rows.size() > most) asset.rows.pop_front();
}

void LiveBoard::take(const Episode& episode) {
  std::string body = to_json(episode).dump();
  const std::lock_guard lock(mutex_);
  if (fresh_episodes_.size() < kFreshEpisodes) fresh_episodes_.push_back(body);
  std::erase_if(episodes_, [&](const StoredEpisode& known) { return known.id == episode.id; });
  episodes_.push_back(
      {episode.id, episode.asset, episode.kind, episode.start, episode.end, episode.closed, std::move(body)});
  if (episodes_.size() > kEpisodes) episodes_.pop_front();
}

void LiveBoard::take(const ManageHealth& health) {
  const Nanoseconds now = system_clock().steady();
  const std::lock_guard lock(mutex_);
  if (health_) {
    const double s = std::max(1e-3, static_cast<double>(now - health_at_) / 1e9);
    readings_a_second_ = static_cast<double>(health.counts.messages - health_->counts.messages) / s;
    verdicts_a_second_ = static_cast<double>(health.counts.verdicts - health_->counts.verdicts) / s;
  }
  health_ = health;
  health_at_ = now;
  fresh_health_ = true;
}

void LiveBoard::remember(const std::vector<StoredRow>& last_rows) {
  const std::lock_guard lock(mutex_);
  for (const StoredRow& row : last_rows) {
    const auto [found, is_new] = assets_.try_emplace(row.asset);
    if (!is_new) continue;
    found->second.state = row.state;
    found->second.score = row.score;
    found->second.limit = row.threshold;
    found->second.time = row.time;
    found->second.changed = true;
  }
}

void LiveBoard::watch(const std::string& asset) {
  const std::lock_guard lock(mutex_);
  watched_.insert(asset);
}

void LiveBoard::watch_only(std::set<std::string> assets) {
  const std::lock_guard lock(mutex_);
  watched_ = std::move(assets);
  std::erase_if(fresh_rows_, [&](const auto& item) { return !watched_.contains(item.first); });
}

void LiveBoard::add_asset(std::string& json, const std::string& name, const Asset& asset) {
  if (json.size() > 1) json += ',';
  json += '[' + json_text(name) + ',' + json_text(asset.state) + ',';
  add_number(json, asset.score);
  json += ',';
  add_number(json, asset.limit);
  json += fmt::format(",{:.0f},{}]", milliseconds_of(asset.time), json_text(asset.sensor));
}

LiveBoard::News LiveBoard::take_news() {
  const std::lock_guard lock(mutex_);
  News news;
  news.fleet = "[";
  for (auto& [name, asset] : assets_)
    if (std::exchange(asset.changed, false)) add_asset(news.fleet, name, asset);
  news.fleet += ']';
  for (const auto& [name, rows] : fresh_rows_)
    news.rows[name] = fmt::format("{{\"asset\":{},\"rows\":{}}}", json_text(name),
                                  rows_json(rows, layout_ ? layout_->columns.size() : 0));
  fresh_rows_.clear();
  news.episodes = std::exchange(fresh_episodes_, {});
  if (std::exchange(fresh_health_, false)) news.health = health_json();
  return news;
}

std::string LiveBoard::whole_fleet() const {
  const std::lock_guard lock(mutex_);
  std::string json = "[";
  for (const auto& [name, asset] : assets_) add_asset(json, name, asset);
  return json + "]";
}

std::string LiveBoard::health() const {
  const std::lock_guard lock(mutex_);
  return health_ ? health_json() : "null";
}

std::string LiveBoard::health_json() const {
  const ManageHealth& health = *health_;
  Json json = Json::object();
  json["connected"] = health.connected;
  json["client_id"] = health.client_id;
  json["model"] = health.model;
  json["readings_a_second"] = readings_a_second_;
  json["verdicts_a_second"] = verdicts_a_second_;
  json["delay_ms"] = health.delay_ms;
  json["delay_p99_ms"] = health.delay_p99_ms;
  json["waiting"] = health.waiting;
  json["unacknowledged"] = health.unacknowledged;
  json["dropped"] = health.counts.dropped + health.counts.lost;
  json["missing"] = health.counts.missing;
  json["unreadable"] = health.counts.unreadable;
  json["late"] = health.counts.late;
  json["not_notified"] = health.counts.not_notified;
  json["trouble"] = health.trouble;
  json["stored"] = health.stored;
  json["store_waiting"] = health.store_waiting;
  json["not_stored"] = health.not_stored;
  json["store_trouble"] = health.store_trouble;
  return json.dump();
}

std::optional<StoredLayout> LiveBoard::layout() const {
  const std::lock_guard lock(mutex_);
  return layout_;
}

std::vector<StoredRow> LiveBoard::rows(const std::string& asset) const {
  const std::lock_guard lock(mutex_);
  const auto found = assets_.find(asset);
  if (found == assets_.end()) return {};
  return {found->second.rows.begin(), found->second.rows.end()};
}

std::vector<StoredEpisode> LiveBoard::episodes() const {
  const std::lock_guard lock(mutex_);
  return {episodes_.begin(), episodes_.end()};
}

std::optional<StoredEpisode> LiveBoard::episode(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  for (const StoredEpisode& episode : episodes_)
    if (episode.id == id) return episode;
  return std::nullopt;
}

}  // namespace anomctl::dashboard
