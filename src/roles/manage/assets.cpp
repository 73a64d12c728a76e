#include "roles/manage/assets.h"

#include <fmt/format.h>

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
  if (!settings.state_dir.empty()) fs::create_directories(settings.state_dir);
}

bool Assets::ours(std::string_view name) const {
  const std::string& base = settings_.topic.topic_sensor;
  if (base != "+") {
    if (name.substr(0, base.size()) != base) return false;
    if (name.size() > base.size() && name[base.size()] != '-') return false;
  }
  return shards_ == 1 || name_hash(name) % static_cast<std::uint64_t>(shards_) == static_cast<std::uint64_t>(shard_);
}

fs::path Assets::state_file(const std::string& name) const {
  return settings_.state_dir / (sha256_hex(name).substr(0, 24) + ".state");
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
    if (!settings_.state_dir.empty() && fs::exists(state_file(name))) {
      try {
        slot->detector.restore(read_file(state_file(name)));
        log_info("{}: goes on from its saved state", name);
      } catch (const Error& error) {
        log_warning("{}: its saved state is of no use, it starts anew: {}", name, error.what());
      }
    }
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

void Assets::save() {
  if (settings_.state_dir.empty()) return;
  for (const auto& [name, asset] : assets_) write_file_atomic(state_file(name), asset->detector.snapshot(), 0600);
}

}  // namespace anomctl::manage
