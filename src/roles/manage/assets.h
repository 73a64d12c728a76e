// The assets that a manager judges, each with its detector and what it remembers. Private to manage. Thread rule: one
// thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "anomctl/roles/manage.h"
#include "roles/manage/alignment.h"
#include "roles/manage/kept_state.h"
#include "roles/manage/row_judge.h"
#include "roles/manage/silence.h"

namespace anomctl::manage {

struct Asset {
  Asset(std::string asset_name, Detector asset_detector, Alignment asset_alignment)
      : name(std::move(asset_name)), detector(std::move(asset_detector)), alignment(std::move(asset_alignment)) {}
  std::string name;
  Detector detector;
  Alignment alignment;
  Silence silence;
  std::map<std::string, Episode> withheld;  // opened during maintenance and not told, by id
  std::unique_ptr<RowJudge> judge;
  KeptState kept;
  bool waiting = false;       // rows were pushed and not flushed
  std::int64_t heard_in = 0;  // connection, see MissingRows
  // Of the readings in its state, and those of them that no saved state holds yet (0: none).
  std::int64_t upto = 0, unsaved_from = 0;
  Nanoseconds unsaved_since = 0;  // steady
};

class Assets {
 public:
  using JudgeFactory = std::function<std::unique_ptr<RowJudge>(Asset&)>;
  Assets(const ManageSettings& settings, std::shared_ptr<const Bundle> bundle, JudgeFactory make_judge);

  // Whether readings of this name are ours: the topic's asset, SENSOR or SENSOR-..., and of our shard.
  bool ours(std::string_view name) const;
  // One that there is, else null.
  Asset* known(const std::string& name);
  // Makes one where there is none. Null when there are max_assets others.
  Asset* find(const std::string& name);
  void flush();           // every judge with waiting rows
  std::int64_t finish();  // gives out rows that wait for more sensors, so many, and flushes
  void changed(Asset& asset, std::int64_t reading);
  // See Stream.
  std::vector<std::pair<std::string, std::string>> states(std::size_t limit, bool all);
  std::int64_t needed_from() const;
  void restore(const std::string& name, const std::string& state);
  // Another bundle of the same sensors and period judges on: every asset's state goes over to it and is to be saved.
  // Requires: flushed. The most rows that an asset must wait for until it is judged again.
  std::size_t swap(std::shared_ptr<const Bundle> bundle, const WindowModel& model);
  std::size_t size() const { return assets_.size(); }
  const std::map<std::string, std::unique_ptr<Asset>>& all() const { return assets_; }

 private:
  std::int64_t newest_ = 0;     // reading
  std::deque<Asset*> unsaved_;  // the longest waiting first

  DetectorOptions detector_options(const std::string& name) const;
  Asset* touched(Asset& asset);

  const ManageSettings& settings_;
  AlignmentSettings alignment_;
  std::shared_ptr<const Bundle> bundle_;
  JudgeFactory make_judge_;
  std::int64_t shard_ = 0, shards_ = 1;
  std::map<std::string, std::unique_ptr<Asset>> assets_;
  std::vector<Asset*> touched_;
};

// How readings become rows. Throws UsageError.
AlignmentSettings alignment_settings(const ReadingSettings& settings, double bundle_period_s);
// Step of the rows.
Nanoseconds period_of(const ReadingSettings& settings, double bundle_period_s);

// "1/4" -> 1 of 4. Throws UsageError.
std::pair<std::int64_t, std::int64_t> parse_shard(const std::string& text);

}  // namespace anomctl::manage
