// What is known of the stream right now: each asset's last verdict and last rows, alerts, the pipeline's health.
// Private to dashboard. Thread rule: every member is safe from any thread; the manager's calls only note down.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "anomctl/io/store/record_store.h"
#include "anomctl/roles/manage.h"

namespace anomctl::dashboard {

class LiveBoard {
 public:
  void take(const JudgedRow& row);
  void take(const Episode& episode);
  void take(const ManageHealth& health);
  // What an earlier process left, for assets that have not been heard of yet.
  void remember(const std::vector<StoredRow>& last_rows);

  // Readings of these assets are noted for `take_news`.
  void watch(const std::string& asset);
  void watch_only(std::set<std::string> assets);

  struct News {
    std::string fleet;                        // [[name, state, score, limit, ms, sensor]..] of what changed
    std::vector<std::string> episodes;        // alerts as published
    std::map<std::string, std::string> rows;  // asset -> rows as JSON
    std::optional<std::string> health;
  };
  // Since the last call.
  News take_news();
  std::string whole_fleet() const;
  std::string health() const;  // "null" before the first
  std::optional<StoredLayout> layout() const;
  // The last rows of an asset.
  std::vector<StoredRow> rows(const std::string& asset) const;
  // Alerts that may not be in the store yet, the last ones; `episode`: one of them.
  std::vector<StoredEpisode> episodes() const;
  std::optional<StoredEpisode> episode(const std::string& id) const;

 private:
  struct Asset {
    std::string state, sensor;
    double score = 0, limit = 0;
    Nanoseconds time = 0;
    std::deque<StoredRow> rows;
    bool changed = false;
  };
  static void add_asset(std::string& json, const std::string& name, const Asset& asset);
  std::string health_json() const;

  mutable std::mutex mutex_;
  std::optional<StoredLayout> layout_;
  std::map<std::string, Asset> assets_;
  std::set<std::string> watched_;
  std::map<std::string, std::vector<StoredRow>> fresh_rows_;
  std::deque<StoredEpisode> episodes_;
  std::vector<std::string> fresh_episodes_;
  std::optional<ManageHealth> health_;
  bool fresh_health_ = false;
  Nanoseconds health_at_ = 0;  // steady
  double readings_a_second_ = 0, verdicts_a_second_ = 0;
};

}  // namespace anomctl::dashboard
