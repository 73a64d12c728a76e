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
}

bool Assets::ours(std::string_view name) const {
  const std::string& base = settings_.topic.topic_sensor;
  if (base != "+") {
    if (name.substr(0, base.size()) != base) return false;
    if (name.size() > base.size() && name[base.size()] != '-') return false;
  }
  return shards_ == 1 || name_hash(name) % static_cast<std::uint64_t>(shards_) == static_cast<std::uint64_t>(shard_);
}

Asset* Assets::find(const std::string& name) {
  auto& slot = assets_[name];
  if (!slot) {
    if (static_cast<std::int64_t>(assets_.size()) > settings_.max_assets) {
      assets_.erase(name);
      return nullptr;
    }
    DetectorOptions options;
    options.asset = name;
    options.threshold = settings_.threshold;
    options.max_gap_periods = settings_.max_gap_periods;
    options.episodes = settings_.episodes;
    slot = std::make_unique<Asset>(name, Detector(bundle_, nullptr, options), bundle_->columns.size());
    slot->judge = make_judge_(*slot);
  }
  if (!slot->waiting) {
    slot->waiting = true;
    touched_.push_back(slot.get());
  }
  return slot.get();
}

void Assets::flush() {
  for (Asset* asset : touched_) {
    asset->judge->flush();
    asset->waiting = false;
  }
  touched_.clear();
}

void Assets::finish() {
  std::vector<Row> rows;
  for (auto& [name, asset] : assets_) {
    asset->assembler.finish(rows);
    for (const Row& row : rows) asset->judge->push(row);
    asset->judge->flush();
    rows.clear();
  }
}

void Assets::changed(Asset& asset, std::int64_t reading) {
  newest_ = asset.upto = reading;
  if (asset.unsaved_from != 0) return;
  asset.unsaved_from = reading;
  asset.unsaved_since = system_clock().steady();
  unsaved_.push_back(&asset);
}

std::int64_t Assets::needed_from() const { return unsaved_.empty() ? newest_ + 1 : unsaved_.front()->unsaved_from; }

// "UPTO LENGTH\n", the detector's snapshot of that length, the assembler's.
std::vector<std::pair<std::string, std::string>> Assets::states(std::size_t limit, bool all) {
  std::vector<std::pair<std::string, std::string>> states;
  const Nanoseconds now = system_clock().steady();
  while (!unsaved_.empty() && (all || states.size() < limit)) {
    Asset& asset = *unsaved_.front();
    if (!all && now - asset.unsaved_since < settings_.snapshot_every.ns) break;
    const std::string detector = asset.detector.snapshot();
    states.emplace_back(asset.name,
                        fmt::format("{} {}\n", asset.upto, detector.size()) + detector + asset.assembler.snapshot());
    asset.unsaved_from = 0;
    unsaved_.pop_front();
  }
  return states;
}

void Assets::restore(const std::string& name, const std::string& state) {
  Asset* asset = find(name);
  if (asset == nullptr) return;
  try {
    const std::string_view view = state;
    const std::size_t space = view.find(' '), end = view.find('\n');
    std::int64_t upto = 0, length = 0;
    if (end == std::string_view::npos || space > end || !parse_count(view.substr(0, space), upto) ||
        !parse_count(view.substr(space + 1, end - space - 1), length) || length < 0 ||
        static_cast<std::size_t>(length) > view.size() - end - 1)
      throw input_error("it has another form");
    const auto size = static_cast<std::size_t>(length);
    asset->detector.restore(state.substr(end + 1, size));
    asset->assembler.restore(view.substr(end + 1 + size));
    asset->upto = upto;
    newest_ = std::max(newest_, upto);
  } catch (const Error& error) {
    log_warning("{}: its saved state is of no use, it starts anew: {}", name, error.what());
  }
}

}  // namespace anomctl::manage
