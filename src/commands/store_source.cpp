#include "commands/store_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"

namespace anomctl {
namespace {

constexpr std::size_t kChunk = 10'000;

}  // namespace

std::vector<Anomaly> confirmed_anomalies(const std::vector<StoredLabel>& labels, const RecordStore& store) {
  std::map<std::tuple<std::string, Nanoseconds, Nanoseconds>, std::vector<StoredLabel>> spans;
  for (const StoredLabel& label : labels) {
    // An alert's span may have grown since it was judged.
    const bool of_episode = !label.episode.empty();
    spans[{label.episode, of_episode ? 0 : label.start, of_episode ? 0 : label.end}].push_back(label);
  }
  std::vector<Anomaly> confirmed;
  for (const auto& [key, said] : spans) {
    if (judgement(said) != "true") continue;
    Anomaly anomaly;
    anomaly.start = said.back().start;
    anomaly.end = said.back().end;
    anomaly.where = fmt::format("label {}", said.back().number);
    for (const StoredLabel& label : said)
      if (!label.comment.empty()) anomaly.root_cause = label.comment;
    if (!said.back().episode.empty())
      if (const auto found = store.episodes({{}, said.back().episode, std::nullopt, 1}); !found.empty()) {
        anomaly.start = found.front().start;
        anomaly.end = std::max(anomaly.start, found.front().end);
        const Json alert = Json::parse(found.front().body, "alert");
        for (const char* top : {"top1", "top2", "top3"})
          if (const Json* sensor = alert.find(top)) anomaly.affected.push_back(sensor->as_string());
      }
    confirmed.push_back(std::move(anomaly));
  }
  std::sort(confirmed.begin(), confirmed.end(),
            [](const Anomaly& a, const Anomaly& b) { return std::tie(a.start, a.end) < std::tie(b.start, b.end); });
  return confirmed;
}

StoreSource::StoreSource(std::shared_ptr<const RecordStore> store, std::string asset, ReadReport& report)
    : store_(std::move(store)), asset_(std::move(asset)), report_(report) {
  RowQuery newest{asset_, std::nullopt, std::nullopt, 1};
  layout_ = store_->rows(newest).layout;
  if (layout_.columns.empty()) throw input_error(fmt::format("the store has no rows of asset '{}'", asset_));
  for (const StoredColumn& column : layout_.columns) names_.push_back(column.name);
}

bool StoreSource::fetch() {
  if (ended_) return false;
  RowQuery query{asset_, std::nullopt, std::nullopt, kChunk, true, layout_.columns};
  if (any_) query.from = last_ + 1;
  chunk_ = store_->rows(query);
  at_ = 0;
  any_ = true;
  left_out_["with other columns"] += chunk_.left_out;
  last_ = chunk_.last;
  ended_ = !chunk_.more;
  return true;
}

bool StoreSource::next(Row& row) {
  bool skipped = !started_;
  for (;;) {
    if (at_ == chunk_.rows.size()) {
      if (fetch()) continue;
      for (const auto& [what, n] : std::exchange(left_out_, {}))
        if (n > 0) report_.notes.push_back(fmt::format("{} rows of the store are left out: {}", n, what));
      return false;
    }
    const StoredRow& stored = chunk_.rows[at_++];
    const char* why = stored.values.empty()            ? "silence"
                      : stored.state == "idle"         ? "idle"
                      : stored.state == "muted"        ? "in maintenance"
                      : stored.state == "sensor_fault" ? "with a broken sensor"
                                                       : nullptr;
    if (why != nullptr) {
      ++left_out_[why];
      skipped = true;
      continue;
    }
    row.time = stored.time;
    row.values = stored.values;
    starts_run_ = skipped;
    started_ = true;
    ++report_.rows_read;
    return true;
  }
}

std::string StoreSource::where() const {
  return at_ == 0 ? "the store" : "the store, " + format_stamp(chunk_.rows[at_ - 1].time);
}

}  // namespace anomctl
