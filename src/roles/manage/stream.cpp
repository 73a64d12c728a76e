#include "roles/manage/stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/stop.h"

namespace anomctl::manage {
namespace {

// The bundle as the server describes it, without weights.
std::shared_ptr<Bundle> remote_bundle(const v2::RemoteModel& remote) {
  const Json* parameters = remote.metadata.find("parameters");
  const Json* detector = parameters != nullptr ? parameters->find("detector") : nullptr;
  if (detector == nullptr || !detector->is_object())
    throw UsageError(fmt::format(
        "model {}: the server does not say how its rows are scored (another anomctl?): give --bundle", remote.name));
  return std::make_shared<Bundle>(bundle_from_json(*detector, "the server's model"));
}

}  // namespace

Stream::Stream(const ManageSettings& settings, const ManageParts& parts, Send send, std::stop_token stop)
    : settings_(settings),
      parts_(parts),
      send_(std::move(send)),
      stop_(std::move(stop)),
      maintenance_(settings.readings.maintenance) {
  open_model();
  assets_ = std::make_unique<Assets>(settings_, bundle_, [this](Asset& asset) { return make_judge(asset); });
  payload_ = std::make_unique<SensorPayload>(bundle_->column_names());
  missing_.emplace(bundle_->period_s);
  no_data_after_ = static_cast<Nanoseconds>(settings.readings.no_data_after *
                                            static_cast<double>(period_of(settings.readings, bundle_->period_s)));
}

void Stream::open_model() {
  if (settings_.server_url.empty()) {
    bundle_ = parts_.bundle;
    model_ = parts_.model;
    batch_ = std::make_unique<ModelBatch>(*model_, static_cast<std::size_t>(settings_.batch_size));
    return;
  }
  server_ = std::make_unique<v2::Client>(settings_.server_url, settings_.model, parts_.http, settings_.server_token);
  const auto described = remote_bundle(describe_server());
  if (!settings_.budget.empty()) log_info("{}", take_budget(*described, settings_.budget).in_words);
  bundle_ = described;
  RemoteParts remote;
  const std::size_t k = bundle_->columns.size(), rows = static_cast<std::size_t>(bundle_->settings.window_size) + 1;
  const std::size_t members = bundle_->voices ? kMemberParts : 0;
  remote.judge = [this, rows, k, members](const Windows& windows) {
    // One that tells nothing more than the window is left to the server's defaults, which others than ours have too.
    const bool any_missing = std::ranges::any_of(windows.missing, [](std::uint8_t flag) { return flag != 0; });
    return server_->judge(
        {windows.n, rows, k, windows.values, any_missing ? windows.missing : std::span<const std::uint8_t>{}, members});
  };
  remote.ready = [this] { return server_->ready(); };
  remote.wait = [this](Duration pause) { return wait_for_stop(stop_, pause.ns / kMillisecond + 1); };
  remote_batch_ =
      std::make_unique<RemoteBatch>(std::move(remote), bundle_, static_cast<std::size_t>(settings_.batch_size));
}

// A server that was started together with us may still be loading.
v2::RemoteModel Stream::describe_server() {
  const Nanoseconds give_up = system_clock().steady() + settings_.mqtt.connect_timeout.ns;
  Backoff backoff(milliseconds(100), seconds(2));
  for (bool told = false;; told = true) {
    try {
      return server_->describe();
    } catch (const Error& error) {
      if (error.code() != ExitCode::unreachable || system_clock().steady() >= give_up) throw;
      if (!told) log_info("{}; trying again for {}", error.what(), format_duration(settings_.mqtt.connect_timeout));
      if (wait_for_stop(stop_, backoff.next().ns / kMillisecond)) throw;
    }
  }
}

std::unique_ptr<RowJudge> Stream::make_judge(Asset& asset) {
  const VerdictSink sink = [this, &asset](const Verdict& verdict) { publish(asset, verdict, true); };
  if (remote_batch_) return std::make_unique<BatchedJudge<RemoteBatch>>(asset.detector, *remote_batch_, sink);
  return std::make_unique<BatchedJudge<ModelBatch>>(asset.detector, *batch_, sink);
}

void Stream::take(const Reading& reading, bool silent) {
  if (silent != silent_) {
    flush();
    silent_ = silent;
  }
  if (!reading.payload.empty() && reading.payload.front() == kSilenceMark) return take_silence(reading);
  if (!reading.payload.empty() && reading.payload.front() == kMaintenanceMark) return take_maintenance(reading);
  const SensorPayload::Result result = payload_->parse(reading.payload);
  // Only what is understood makes an asset: there is room for so many.
  Asset* asset = assets_->known(reading.asset);
  if (asset == nullptr && result.error.empty() && (asset = assets_->find(reading.asset)) != nullptr && !silent)
    asset->heard_in = missing_->connection();
  if (asset != nullptr && reading.number <= asset->upto) return;  // its saved state holds it
  counts_.messages += !silent;
  if (!result.error.empty()) {
    counts_.unreadable += !silent;
    if (complaints_.due(system_clock().steady()))
      log_warning("a reading of {} cannot be used: {} ({} so far)", reading.asset, result.error, counts_.unreadable);
    return;
  }
  if (asset == nullptr) {
    if (++counts_.left_out == 1)
      log_warning("{}: there are {} assets already (max-assets), its readings are left out", reading.asset,
                  settings_.max_assets);
    return;
  }
  rows_.clear();
  for (const auto& part : result.readings) asset->alignment.add(part, reading.received, rows_);
  for (Nanoseconds before = asset->silence.stamp; const Row& row : rows_) {
    if (!silent) missing_->see({before, row.time, reading.received, asset->heard_in});
    before = row.time;
  }
  asset->silence.heard(reading.received);
  assets_->changed(*asset, reading.number);
  judge_rows(*asset);
}

void Stream::judge_rows(Asset& asset) {
  if (rows_.empty()) return;
  keep_state(asset, rows_.front().time);
  asset.silence.stamp = rows_.back().time;
  for (const Row& row : rows_) asset.judge->push(row);
  if (!silent_) counts_.rows += static_cast<std::int64_t>(rows_.size());
}

// For who keeps verdicts, before rows from `first` on are judged.
void Stream::keep_state(Asset& asset, Nanoseconds first) {
  if (silent_ || !parts_.on_judged || !asset.kept.due(first)) return;
  if (asset.detector.has_prepared()) flush();
  asset.kept.look(asset.detector, asset.silence.stamp, first);
}

std::vector<std::string> Stream::silent(Nanoseconds now, Nanoseconds listening_since) const {
  std::vector<std::string> names;
  for (const auto& [name, asset] : assets_->all())
    if (asset->silence.due(now, listening_since, no_data_after_)) names.push_back(name);
  return names;
}

void Stream::take_silence(const Reading& reading) {
  Asset* asset = assets_->known(reading.asset);
  if (asset == nullptr || reading.number <= asset->upto) return;
  assets_->changed(*asset, reading.number);
  if (!asset->silence.due(reading.received, 0, no_data_after_)) return;  // a reading came before the note
  rows_.clear();
  asset->alignment.finish(rows_);
  judge_rows(*asset);
  flush();
  const Nanoseconds last = asset->silence.stamp;
  if (const auto time = asset->silence.tell(reading.received, no_data_after_)) {
    counts_.silent += !silent_;
    keep_state(*asset, *time);
    publish(*asset, asset->detector.silence(last, *time), false);
  }
}

void Stream::take_maintenance(const Reading& reading) {
  MaintenanceMessage message;
  try {
    message = parse_maintenance(reading.payload.substr(1), reading.received);
  } catch (const Error& error) {
    counts_.unreadable += !silent_;
    if (complaints_.due(system_clock().steady()))
      log_warning("a message of maintenance for {} cannot be used: {}", reading.asset, error.what());
    return;
  }
  flush();  // what came before is judged as it was then
  if (!message.acknowledge) {
    const std::size_t n = message.windows.size();
    const bool taken = maintenance_.set(reading.asset, std::move(message.windows));
    counts_.left_out += !taken && !silent_;
    const Nanoseconds now = system_clock().steady();
    if (taken && told_windows_.due(now)) log_info("{}: {} maintenance windows", reading.asset, n);
    if (!taken && complaints_.due(now))
      log_warning("{}: {} maintenance windows are known, no more are taken", reading.asset, kMostWindows);
    return;
  }
  Asset* asset = assets_->known(reading.asset);
  if (asset == nullptr || reading.number <= asset->upto) return;
  assets_->changed(*asset, reading.number);
  asset->detector.acknowledge();
  asset->kept.begin_anew();
}

void Stream::flush() { assets_->flush(); }
void Stream::finish() { counts_.rows += assets_->finish(); }
bool Stream::stamped(const std::string& payload) const {
  const SensorPayload::Result result = payload_->parse(payload);
  return !result.readings.empty() && result.readings.front().time.has_value();
}

const ManageCounts& Stream::counts() {
  counts_.missing = missing_->rows();
  counts_.assets = static_cast<std::int64_t>(assets_->size());
  AlignmentCounts alignment;
  counts_.faulty = counts_.gaps = 0;
  for (const auto& [name, asset] : assets_->all()) {
    alignment += asset->alignment.counts();
    counts_.faulty += asset->detector.counts().fault_rows;
    counts_.gaps += asset->detector.counts().gaps;
  }
  counts_.readings = alignment.readings;
  counts_.duplicates = alignment.duplicates;
  counts_.conflicting = alignment.conflicting;
  counts_.late = alignment.late;
  counts_.set_back = alignment.set_back;
  counts_.skewed = alignment.skewed;
  counts_.crowded = alignment.crowded;
  return counts_;
}

void Stream::publish(Asset& asset, Verdict verdict, bool has_row) {
  const MaintenanceWindow* window = maintenance_.at(asset.name, verdict.time);
  if (window != nullptr) {
    verdict.state = State::muted;
    verdict.reason =
        fmt::format("maintenance{}{}: {}", window->reason.empty() ? "" : ", ", window->reason, verdict.reason);
  }
  if (!silent_) {
    ++counts_.verdicts;
    counts_.anomalous += verdict.is_anomaly;
    counts_.idle += verdict.state == State::idle;
    counts_.muted_verdicts += window != nullptr;
    send_(fmt::format("{}/anomaly/{}", settings_.topic.topic_org, asset.name), to_json(verdict).dump());
    if (parts_.on_judged) hand_on(asset, verdict, has_row);
  }
  for (Episode& episode : asset.detector.take_episodes()) {
    if (episode.closed && asset.withheld.erase(episode.id) > 0) continue;  // nobody was told of it
    if (window == nullptr || episode.closed) {
      tell(asset, episode);
      continue;
    }
    counts_.muted_alerts += !silent_;
    const std::string id = episode.id;
    asset.withheld[id] = std::move(episode);
  }
  // What began during maintenance and outlasts it is told now.
  if (window != nullptr || asset.withheld.empty()) return;
  for (const auto& [id, episode] : std::exchange(asset.withheld, {})) tell(asset, episode);
}

void Stream::hand_on(Asset& asset, const Verdict& verdict, bool has_row) {
  expected_.clear();
  if (has_row) expected_by_column(*bundle_, asset.detector.last_score(), expected_);
  const auto values = has_row ? asset.detector.last_values() : std::span<const double>{};
  const std::string before = asset.kept.take_before();
  parts_.on_judged({asset.name, verdict, *bundle_, values, expected_, asset.detector, before, asset.kept.next_place()});
}

void Stream::tell(Asset& asset, const Episode& episode) {
  if (silent_) return;
  counts_.episodes += !episode.closed;
  send_(fmt::format("{}/alert/{}", settings_.topic.topic_org, asset.name), to_json(episode).dump());
  if (parts_.on_episode) parts_.on_episode(episode);
}

}  // namespace anomctl::manage
