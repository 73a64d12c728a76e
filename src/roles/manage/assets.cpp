#include "roles/manage/assets.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"

namespace anomctl::manage {
namespace {

// FNV-1a: the same everywhere, so that managers on several machines agree.
std::uint64_t name_hash(std::string_view name) {
  std::uint64_t hash = 1469598103934665603ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

bool parse_count(std::string_view text, std::int64_t& value) {
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  return ec == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::pair<std::int64_t, std::int64_t> parse_shard(const std::string& text) {
  if (text.empty()) return {0, 1};
  const std::size_t slash = text.find('/');
  std::int64_t i = -1, n = 0;
  const std::string_view view = text;
  if (slash == std::string::npos || !parse_count(view.substr(0, slash), i) || !parse_count(view.substr(slash + 1), n) ||
      i < 0 || i >= n || n > 100'000)
    throw UsageError(fmt::format("shard '{}': expected i/n with i from 0 to n - 1, as in 0/4", text));
  return {i, n};
}

Assets::Assets(const ManageSettings& settings, std::shared_ptr<const Bundle> bundle, JudgeFactory make_judge)
    : settings_(settings), bundle_(std::move(bundle)), make_judge_(std::move(make_judge)) {
  std::tie(shard_, shards_) = parse_shard(settings.shard);
  alignment_ = alignment_settings(settings.readings, bundle_->period_s);
  const Detector tried(bundle_, nullptr, detector_options(""));  // what does not go together is said at the start
}

bool Assets::ours(std::string_view name) const {
  const std::string& base = settings_.topic.topic_sensor;
  if (base != "+") {
    if (name.substr(0, base.size()) != base) return false;
    if (name.size() > base.size() && name[base.size()] != '-') return false;
  }
  return shards_ == 1 || name_hash(name) % static_cast<std::uint64_t>(shards_) == static_cast<std::uint64_t>(shard_);
}

Nanoseconds period_of(const ReadingSettings& settings, double bundle_period_s) {
  return settings.period.ns > 0 ? settings.period.ns : static_cast<Nanoseconds>(bundle_period_s * 1e9);
}

AlignmentSettings alignment_settings(const ReadingSettings& settings, double bundle_period_s) {
  AlignmentSettings alignment;
  alignment.grid.period = settings.period.ns;
  alignment.grid.fill = settings.fill == "interpolate" ? Fill::interpolate : Fill::hold;
  alignment.grid.max_gap = settings.max_gap.value_or(Duration{5 * period_of(settings, bundle_period_s)}).ns;
  if (alignment.grid.period > 0 && alignment.grid.max_gap < alignment.grid.period)
    throw UsageError("max-gap must not be shorter than period");
  if (alignment.grid.period == 0 && alignment.grid.fill == Fill::interpolate)
    throw UsageError("fill interpolate needs period: rows that keep their stamps are not filled");
  alignment.late = settings.late.value_or(settings.period).ns;
  alignment.max_skew = settings.max_skew.ns;
  return alignment;
}

DetectorOptions Assets::detector_options(const std::string& name) const {
  const ReadingSettings& readings = settings_.readings;
  DetectorOptions options;
  options.asset = name;
  options.threshold = settings_.threshold;
  options.max_gap_periods = static_cast<double>(alignment_.grid.max_gap) / 1e9 / bundle_->period_s;
  options.episodes = settings_.episodes;
  options.healthy_start = settings_.healthy_start;
  options.active_when = readings.active_when;
  options.faults.enabled = readings.sensor_faults;
  for (const std::string& text : readings.sensor_range) options.faults.ranges.push_back(parse_sensor_range(text));
  options.faults.spans = readings.range_spans;
  options.faults.stuck_factor = readings.stuck_factor;
  return options;
}

Asset* Assets::known(const std::string& name) {
  const auto found = assets_.find(name);
  return found == assets_.end() ? nullptr : touched(*found->second);
}

Asset* Assets::find(const std::string& name) {
  if (Asset* asset = known(name)) return asset;
  if (static_cast<std::int64_t>(assets_.size()) >= settings_.max_assets) return nullptr;
  auto asset = std::make_unique<Asset>(name, Detector(bundle_, nullptr, detector_options(name)),
                                       Alignment(alignment_, bundle_->columns.size()));
  asset->judge = make_judge_(*asset);
  return touched(*assets_.emplace(name, std::move(asset)).first->second);
}

Asset* Assets::touched(Asset& asset) {
  if (!asset.waiting) touched_.push_back(&asset);
  asset.waiting = true;
  return &asset;
}

std::size_t Assets::swap(std::shared_ptr<const Bundle> bundle, const WindowModel& model) {
  bundle_ = std::move(bundle);
  std::size_t most = 0;
  const Nanoseconds now = system_clock().steady();
  for (const auto& [name, asset] : assets_) {
    Detector fresh(bundle_, nullptr, detector_options(name));
    most = std::max(most, fresh.take_over(asset->detector, model));
    asset->detector = std::move(fresh);
    asset->kept.begin_anew();
    if (asset->upto == 0 || asset->unsaved_from != 0) continue;
    asset->unsaved_from = asset->upto;
    asset->unsaved_since = now;
    unsaved_.push_back(asset.get());
  }
  return most;
}

void Assets::flush() {
  for (Asset* asset : touched_) {
    asset->judge->flush();
    asset->waiting = false;
  }
  touched_.clear();
}

std::int64_t Assets::finish() {
  std::int64_t n = 0;
  std::vector<Row> rows;
  for (auto& [name, asset] : assets_) {
    asset->alignment.finish(rows);
    for (const Row& row : rows) asset->judge->push(row);
    asset->judge->flush();
    n += static_cast<std::int64_t>(rows.size());
    rows.clear();
  }
  return n;
}

void Assets::changed(Asset& asset, std::int64_t reading) {
  newest_ = asset.upto = reading;
  if (asset.unsaved_from != 0) return;
  asset.unsaved_from = reading;
  asset.unsaved_since = system_clock().steady();
  unsaved_.push_back(&asset);
}

std::int64_t Assets::needed_from() const { return unsaved_.empty() ? newest_ + 1 : unsaved_.front()->unsaved_from; }

std::vector<std::pair<std::string, std::string>> Assets::states(std::size_t limit, bool all) {
  std::vector<std::pair<std::string, std::string>> states;
  const Nanoseconds now = system_clock().steady();
  while (!unsaved_.empty() && (all || states.size() < limit)) {
    Asset& asset = *unsaved_.front();
    if (!all && now - asset.unsaved_since < settings_.snapshot_every.ns) break;
    StateWriter out;
    out.number(asset.upto);
    out.text(asset.detector.snapshot());
    asset.alignment.write(out);
    for (const std::int64_t n : {asset.silence.received, asset.silence.stamp, asset.silence.told}) out.number(n);
    out.number(static_cast<std::uint64_t>(asset.withheld.size()));
    for (const auto& [id, episode] : asset.withheld) write_episode(out, episode);
    states.emplace_back(asset.name, out.bytes());
    asset.unsaved_from = 0;
    unsaved_.pop_front();
  }
  return states;
}

void Assets::restore(const std::string& name, const std::string& state) {
  Asset* asset = find(name);
  if (asset == nullptr) return;
  try {
    StateReader in(state);
    const auto upto = in.number<std::int64_t>();
    asset->detector.restore(in.text());
    asset->alignment.read(in);
    for (std::int64_t* n : {&asset->silence.received, &asset->silence.stamp, &asset->silence.told})
      *n = in.number<std::int64_t>();
    for (auto n = in.number<std::uint64_t>(); n > 0; --n) {
      Episode episode = read_episode(in);
      asset->withheld[episode.id] = std::move(episode);
    }
    if (!in.empty()) throw input_error("it holds more than it should");
    asset->upto = upto;
    newest_ = std::max(newest_, upto);
  } catch (const Error& error) {
    log_warning("{}: its saved state is of no use, it starts anew: {}", name, error.what());
    asset->alignment = Alignment(alignment_, bundle_->columns.size());
    asset->silence = {};
    asset->withheld.clear();
  }
}

}  // namespace anomctl::manage
