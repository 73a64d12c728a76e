#include "anomctl/detection/episodes.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "anomctl/core/files.h"
#include "anomctl/detection/attribution.h"

namespace anomctl {

Json to_json(const Episode& episode) {
  Json json = Json::object();
  json["id"] = episode.id;
  json["kind"] = episode.kind;
  if (!episode.fault.empty()) json["fault"] = episode.fault;
  json["asset"] = episode.asset;
  json["state"] = to_string(episode.closed ? State::closed : State::open);
  json["start"] = format_stamp(episode.start);
  json["end"] = format_stamp(episode.end);
  json["peak_time"] = format_stamp(episode.peak_time);
  if (std::isfinite(episode.peak)) json["peak"] = episode.peak;
  if (std::isfinite(episode.threshold)) json["threshold"] = episode.threshold;
  json["rows"] = episode.rows;
  for (std::size_t i = 0; i < episode.causes.size() && i < 3; ++i) {
    const Cause& cause = episode.causes[i];
    const std::string top = fmt::format("top{}", i + 1);
    json[top] = cause.sensor;
    json[top + "_share"] = cause.share;
    if (std::isfinite(cause.expected)) json[top + "_direction"] = cause.actual >= cause.expected ? "higher" : "lower";
    if (std::isfinite(cause.actual)) json[top + "_actual"] = cause.actual;
    if (std::isfinite(cause.expected)) json[top + "_expected"] = cause.expected;
    json[top + "_unit"] = cause.unit;
  }
  json["reason"] = episode.reason;
  json["model"] = episode.model;
  return json;
}

bool EpisodeSettings::opens_at_once(double score, double limit) const {
  return at_once > 0 && score >= limit + (at_once - 1) * std::abs(limit);
}

bool EpisodeSettings::under(double score, double limit) const { return score < limit - dead_band * std::abs(limit); }

std::vector<double> EpisodeSettings::opening(std::span<const double> scores) const {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const auto rows = static_cast<std::size_t>(on_rows);
  std::vector<double> out(scores.size(), kNone);
  std::size_t first = 0;  // of the scores that follow one another
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) {
      first = i + 1;
      continue;
    }
    double opens = -std::numeric_limits<double>::infinity();
    if (i + 1 >= first + rows)
      opens = *std::min_element(scores.begin() + static_cast<std::ptrdiff_t>(i + 1 - rows),
                                scores.begin() + static_cast<std::ptrdiff_t>(i + 1));
    if (at_once > 0 && scores[i] > 0) opens = std::max(opens, scores[i] / std::max(1.0, at_once));
    if (std::isfinite(opens)) out[i] = opens;
  }
  return out;
}

EpisodeTracker::EpisodeTracker(EpisodeSettings settings, std::string asset, std::string model)
    : settings_(settings), asset_(std::move(asset)), model_(std::move(model)) {}

void EpisodeTracker::take(const EpisodeRow& row) {
  const bool first = episode_.rows == 0;
  if (first) {
    episode_ = Episode{};
    episode_.asset = asset_;
    episode_.model = model_;
    episode_.start = row.time;
    episode_.id = sha256_hex(fmt::format("{}\n{}\n{}", asset_, model_, row.time)).substr(0, 16);
  }
  ++episode_.rows;
  episode_.end = row.time;
  if (first || row.score > episode_.peak) {
    episode_.peak = row.score;
    episode_.peak_time = row.time;
    episode_.threshold = row.threshold;
    episode_.causes = *row.causes;
    episode_.reason = describe_causes(episode_.causes);
  }
}

void EpisodeTracker::close(std::vector<Episode>& events) {
  episode_.closed = true;
  current_id_ = episode_.id;
  events.push_back(std::move(episode_));
  episode_ = Episode{};
  open_ = false;
  over_ = under_ = 0;
}

State EpisodeTracker::push(const EpisodeRow& row, std::vector<Episode>& events) {
  const bool over = row.score >= row.threshold;
  if (open_) {
    if (over) take(row);
    under_ = settings_.under(row.score, row.threshold) ? under_ + 1 : 0;
    if (under_ < settings_.off_rows || (settings_.latch && !acknowledged_)) {
      current_id_ = episode_.id;
      return State::open;
    }
    close(events);
    return State::closed;
  }
  if (!over) {
    over_ = 0;
    episode_.rows = 0;
    current_id_.clear();
    return State::normal;
  }
  take(row);
  if (++over_ < settings_.on_rows && !settings_.opens_at_once(row.score, row.threshold)) {
    current_id_.clear();
    return State::normal;
  }
  open_ = true;
  acknowledged_ = false;
  under_ = 0;
  current_id_ = episode_.id;
  events.push_back(episode_);
  return State::open;
}

void EpisodeTracker::restart(std::vector<Episode>& events) {
  if (open_ && settings_.latch && !acknowledged_) {  // it stays until someone has seen it
    under_ = 0;
    return;
  }
  if (open_) close(events);
  over_ = under_ = 0;
  episode_.rows = 0;
  current_id_.clear();
}

void EpisodeTracker::restore(Numbers numbers) {
  open_ = numbers.open;
  acknowledged_ = numbers.acknowledged;
  over_ = numbers.over;
  under_ = numbers.under;
  episode_ = std::move(numbers.episode);
  current_id_ = open_ ? episode_.id : std::string();
}

}  // namespace anomctl
