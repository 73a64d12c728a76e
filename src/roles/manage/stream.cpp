#include "roles/manage/stream.h"

#include <fmt/format.h>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"

namespace anomctl::manage {
namespace {

// The bundle as the server describes it, without weights.
std::shared_ptr<const Bundle> remote_bundle(const v2::RemoteModel& remote) {
  const Json* parameters = remote.metadata.find("parameters");
  const Json* detector = parameters != nullptr ? parameters->find("detector") : nullptr;
  if (detector == nullptr || !detector->is_object())
    throw UsageError(
        fmt::format("model {}: the server does not say how its rows are scored (a panel keeps its state "
                    "here): give --bundle",
                    remote.name));
  return std::make_shared<Bundle>(bundle_from_json(*detector, "the server's model"));
}

std::vector<std::string> names_of(const std::vector<Column>& columns) {
  std::vector<std::string> names;
  for (const Column& column : columns) names.push_back(column.name);
  return names;
}

}  // namespace

Stream::Stream(const ManageSettings& settings, const ManageParts& parts, Send send, std::stop_token stop)
    : settings_(settings), parts_(parts), send_(std::move(send)), stop_(std::move(stop)) {
  open_model();
  assets_ = std::make_unique<Assets>(settings_, bundle_, [this](Asset& asset) { return make_judge(asset); });
  payload_ = std::make_unique<SensorPayload>(names_of(bundle_->columns));
  missing_.emplace(bundle_->period_s);
}

void Stream::open_model() {
  if (settings_.server_url.empty()) {
    bundle_ = parts_.bundle;
    batch_ = std::make_unique<ModelBatch>(*parts_.model, static_cast<std::size_t>(settings_.batch_size));
    return;
  }
  server_ = std::make_unique<v2::Client>(settings_.server_url, settings_.model, parts_.http);
  bundle_ = remote_bundle(server_->describe());
}

std::unique_ptr<RowJudge> Stream::make_judge(Asset& asset) {
  const VerdictSink sink = [this, &asset](const Verdict& verdict) { publish(asset, verdict); };
  if (server_ == nullptr) return std::make_unique<LocalJudge>(asset.detector, *batch_, sink);
  return std::make_unique<RemoteJudge>(asset.detector, *server_, bundle_->targets(), bundle_->columns.size(),
                                       static_cast<std::size_t>(settings_.batch_size), sink, stop_);
}

void Stream::take(const Reading& reading, bool silent) {
  if (silent != silent_) {
    flush();
    silent_ = silent;
  }
  Asset* asset = assets_->find(reading.asset);
  const SensorPayload::Result result = payload_->parse(reading.payload);
  if (!result.readings.empty())
    missing_->see(reading.asset, result.readings.back().time.value_or(reading.received), reading.received, !silent);
  if (asset != nullptr && reading.number <= asset->upto) return;  // its saved state holds it
  counts_.messages += !silent;
  if (!result.error.empty()) {
    counts_.unreadable += !silent;
    const Nanoseconds now = system_clock().steady();
    if (now - complained_ > 10 * kSecond || complained_ == 0) {
      log_warning("a reading of {} cannot be used: {} ({} so far)", reading.asset, result.error, counts_.unreadable);
      complained_ = now;
    }
    return;
  }
  if (asset == nullptr) {
    if (++counts_.left_out == 1)
      log_warning("{}: there are {} assets already (max-assets), its readings are left out", reading.asset,
                  settings_.max_assets);
    return;
  }
  rows_.clear();
  for (const auto& part : result.readings) asset->assembler.add(part, reading.received, rows_);
  assets_->changed(*asset, reading.number);
  for (const Row& row : rows_) asset->judge->push(row);
  if (!silent) counts_.rows += static_cast<std::int64_t>(rows_.size());
}

void Stream::flush() { assets_->flush(); }
void Stream::finish() { assets_->finish(); }
std::vector<std::pair<std::string, std::string>> Stream::states(std::size_t limit, bool all) {
  return assets_->states(limit, all);
}
std::int64_t Stream::needed_from() const { return assets_->needed_from(); }
void Stream::restore(const std::string& asset, const std::string& state) { assets_->restore(asset, state); }

bool Stream::stamped(const std::string& payload) const {
  const SensorPayload::Result result = payload_->parse(payload);
  return !result.readings.empty() && result.readings.front().time.has_value();
}

const ManageCounts& Stream::counts() {
  counts_.missing = missing_->rows();
  counts_.assets = static_cast<std::int64_t>(assets_->size());
  return counts_;
}

void Stream::publish(Asset& asset, const Verdict& verdict) {
  const std::vector<Episode> episodes = asset.detector.take_episodes();
  if (silent_) return;
  const std::string& org = settings_.topic.topic_org;
  ++counts_.verdicts;
  counts_.anomalous += verdict.is_anomaly;
  send_(fmt::format("{}/anomaly/{}", org, asset.name), to_json(verdict).dump());
  if (parts_.on_verdict) parts_.on_verdict(asset.name, verdict);
  for (const Episode& episode : episodes) {
    counts_.episodes += !episode.closed;
    send_(fmt::format("{}/alert/{}", org, asset.name), to_json(episode).dump());
    if (parts_.on_episode) parts_.on_episode(episode);
  }
}

}  // namespace anomctl::manage
