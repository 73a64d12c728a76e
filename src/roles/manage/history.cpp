#include "roles/manage/history.h"

#include "anomctl/model/instruction_set.h"

namespace anomctl::manage {

History::History(const ManageSettings& settings) {
  if (settings.store.empty()) return;
  by_server_ = !settings.server_url.empty();
  StoreWriterSettings store;
  store.path = settings.store;
  store.bounds.max_bytes = static_cast<std::uint64_t>(settings.store_megabytes) * 1'000'000;
  store.bounds.keep = settings.store_keep;
  writer_ = std::make_unique<StoreWriter>(store);
}

ManageParts History::watched(const ManageParts& parts) {
  if (!writer_) return parts;
  ManageParts watched = parts;
  watched.on_judged = [this, next = parts.on_judged](const JudgedRow& row) {
    keep(row);
    if (next) next(row);
  };
  watched.on_episode = [this, next = parts.on_episode](const Episode& episode) {
    writer_->put(StoredEpisode{episode.id, episode.asset, episode.kind, episode.start, episode.end, episode.closed,
                               to_json(episode).dump()});
    if (next) next(episode);
  };
  return watched;
}

void History::keep(const JudgedRow& row) {
  if (!std::exchange(has_layout_, true) || row.bundle.hash != hash_ || row.bundle.name != name_) {
    hash_ = row.bundle.hash;
    name_ = row.bundle.name;
    StoredLayout layout{{}, name_, row.bundle.period_s};
    for (const Column& column : row.bundle.columns) layout.columns.push_back({column.name, column.unit});
    if (!by_server_) {
      layout.bundle_hash = hash_;
      layout.instruction_set = instruction_set();
      layout.options = to_json(row.detector.options(), row.detector.threshold()).dump();
    }
    writer_->set_layout(std::move(layout));
  }
  const Verdict& verdict = row.verdict;
  writer_->put(StoredRow{row.asset,
                         verdict.time,
                         verdict.id,
                         verdict.score,
                         verdict.threshold,
                         verdict.is_anomaly,
                         to_string(verdict.state),
                         verdict.episode,
                         verdict.state == State::normal ? std::string() : verdict.reason,
                         {row.values.begin(), row.values.end()},
                         {row.expected.begin(), row.expected.end()},
                         row.place,
                         row.before});
}

void History::tell(ManageHealth& health) const {
  const StoreWriterCounts store = counts();
  health.stored = store.stored;
  health.store_waiting = store.waiting;
  health.not_stored = store.dropped;
  health.store_trouble = store.trouble;
}

void History::finish(ManageCounts& done) {
  if (writer_) writer_->finish();
  done.stored = counts().stored;
  done.not_stored = counts().dropped;
}

}  // namespace anomctl::manage
