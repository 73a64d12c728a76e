// Readings in, messages for the broker out: parses, makes rows, has them judged, and says what came of it. The same for
// a live stream, for what an earlier process left on disk, and for a recording. Private to manage. Thread rule: one
// thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "anomctl/roles/manage.h"
#include "roles/manage/assets.h"
#include "roles/manage/inbox.h"
#include "roles/manage/log_pause.h"
#include "roles/manage/maintenance.h"
#include "roles/manage/missing_rows.h"

namespace anomctl::manage {

// What a stream says: a topic and a payload.
using Send = std::function<void(std::string topic, std::string payload)>;

class Stream {
 public:
  // Throws Error(unreachable) where a server is to judge and does not answer.
  Stream(const ManageSettings& settings, const ManageParts& parts, Send send, std::stop_token stop);

  // `silent`: it was told already, only the state goes on.
  void take(const Reading& reading, bool silent);
  // Assets that have been silent for too long at `now` (wall time), for which nobody was listening before
  // `listening_since`: a note of each is to be put among the readings.
  std::vector<std::string> silent(Nanoseconds now, Nanoseconds listening_since) const;
  // Judges what waits for a batch: all that the readings so far brought about has been sent.
  void flush();
  // Rows that wait for more sensors are given out as they are.
  void finish();

  // States of assets as `state` returns them, for at most `limit` of those whose last one is older than snapshot_every,
  // the longest waiting first; `all`: of every asset that changed. Requires: flushed.
  std::vector<std::pair<std::string, std::string>> states(std::size_t limit, bool all);
  // Readings before this number are in the states that were given out.
  std::int64_t needed_from() const;
  // Goes on from a state. Readings that it holds are then left out.
  void restore(const std::string& asset, const std::string& state);

  // Another model judges on, from the next row; what was open stays open. What is to be said of it: that there is a
  // warm-up, or why the model before goes on (other sensors, another period). Empty: nothing.
  std::string swap(const JudgingModel& next);

  MissingRows& missing() { return *missing_; }
  bool ours(const std::string& asset) const { return assets_->ours(asset); }
  bool stamped(const std::string& payload) const;
  const Bundle& bundle() const { return *bundle_; }
  const ManageCounts& counts();

 private:
  void open_model();
  v2::RemoteModel describe_server();
  std::unique_ptr<RowJudge> make_judge(Asset& asset);
  void take_silence(const Reading& reading);
  void take_maintenance(const Reading& reading);
  void judge_rows(Asset& asset);
  void publish(Asset& asset, Verdict verdict, bool has_row);
  void keep_state(Asset& asset, Nanoseconds first);
  void hand_on(Asset& asset, const Verdict& verdict, bool has_row);
  void tell(Asset& asset, const Episode& episode);

  const ManageSettings& settings_;
  const ManageParts& parts_;
  Send send_;
  std::stop_token stop_;
  std::shared_ptr<const Bundle> bundle_;
  std::shared_ptr<const WindowModel> model_;  // without a server
  std::unique_ptr<v2::Client> server_;
  std::unique_ptr<ModelBatch> batch_;
  std::unique_ptr<RemoteBatch> remote_batch_;  // with a server
  std::unique_ptr<Assets> assets_;
  std::unique_ptr<SensorPayload> payload_;
  std::optional<MissingRows> missing_;
  Maintenance maintenance_;
  Nanoseconds no_data_after_ = 0;
  std::vector<Row> rows_;
  std::vector<double> expected_;  // (k), for on_judged
  ManageCounts counts_;
  LogPause complaints_{1}, told_windows_{20};
  bool silent_ = false;
};

}  // namespace anomctl::manage
