#include "detection/fault_episodes.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "anomctl/core/files.h"

namespace anomctl {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

}  // namespace

FaultEpisodes::FaultEpisodes(std::string asset, std::string model, std::vector<Column> columns, std::int64_t off_rows)
    : asset_(std::move(asset)), model_(std::move(model)), columns_(std::move(columns)), off_rows_(off_rows) {}

std::string FaultEpisodes::describe(const SensorFault& fault) const {
  if (fault.kind == SensorFaultKind::clock_skew)
    return fmt::format("the sender's clock is {:.3g} s {} (the arrival stands in for its stamps)",
                       std::abs(fault.value), fault.value > 0 ? "ahead" : "behind");
  const Column& column = columns_[fault.column];
  const std::string unit = column.unit.empty() ? "" : " " + column.unit;
  switch (fault.kind) {
    case SensorFaultKind::stuck:
      return fmt::format("{} has shown {:.6g}{} for {} rows, far longer than it ever stood still in training",
                         column.name, fault.value, unit, fault.rows);
    case SensorFaultKind::out_of_range:
      return fmt::format("{} shows {:.6g}{}, where {:.6g} to {:.6g} is possible", column.name, fault.value, unit,
                         fault.low, fault.high);
    default:
      return fmt::format("{} has given no value for {} rows", column.name, fault.rows);
  }
}

Episode FaultEpisodes::begin(const std::string& what, Nanoseconds time) const {
  Episode episode;
  episode.asset = asset_;
  episode.model = model_;
  episode.start = episode.end = episode.peak_time = time;
  episode.peak = episode.threshold = kNaN;
  episode.id = sha256_hex(fmt::format("{}\n{}\n{}\n{}", asset_, model_, what, time)).substr(0, 16);
  return episode;
}

void FaultEpisodes::push(Nanoseconds time, const std::vector<SensorFault>& faults, std::vector<Episode>& events) {
  if (faults.empty() && open_.empty()) return;
  for (auto& [key, open] : open_) ++open.good_rows;
  for (const SensorFault& fault : faults) {
    const Key key{fault.column, static_cast<std::uint8_t>(fault.kind)};
    const auto [at, is_new] = open_.try_emplace(key);
    Open& open = at->second;
    if (is_new) {
      const std::string sensor = fault.column == SensorFault::kClock ? "clock" : columns_[fault.column].name;
      open.episode = begin(sensor + "\n" + to_string(fault.kind), time);
      open.episode.kind = "sensor_fault";
      open.episode.fault = to_string(fault.kind);
      const std::string unit = fault.column == SensorFault::kClock ? "s" : columns_[fault.column].unit;
      open.episode.causes = {{sensor, 1, kNaN, fault.value, unit}};
    }
    open.good_rows = 0;
    open.episode.end = time;
    ++open.episode.rows;
    open.episode.reason = describe(fault);
    if (is_new) events.push_back(open.episode);
  }
  for (auto it = open_.begin(); it != open_.end();) {
    if (it->second.good_rows < off_rows_) {
      ++it;
      continue;
    }
    it->second.episode.closed = true;
    events.push_back(std::move(it->second.episode));
    it = open_.erase(it);
  }
}

void FaultEpisodes::silence(Nanoseconds last, Nanoseconds time, const std::string& reason,
                            std::vector<Episode>& events) {
  const bool first = !silent_;
  if (first) {
    silence_ = begin("silence", last);
    silence_.kind = "no_data";
  }
  silent_ = true;
  silence_.end = time;
  ++silence_.rows;
  silence_.reason = reason;
  if (first) events.push_back(silence_);
}

void FaultEpisodes::heard(Nanoseconds time, std::vector<Episode>& events) {
  if (!silent_) return;
  silent_ = false;
  silence_.end = std::max(silence_.start, time);  // what is heard again may be older than what was heard last
  silence_.closed = true;
  events.push_back(std::move(silence_));
  silence_ = Episode{};
}

void FaultEpisodes::write(StateWriter& out) const {
  out.number(static_cast<std::uint64_t>(open_.size()));
  for (const auto& [key, open] : open_) {
    out.number(static_cast<std::uint64_t>(key.first));
    out.number(key.second);
    out.number(open.good_rows);
    write_episode(out, open.episode);
  }
  out.number(static_cast<std::uint8_t>(silent_));
  write_episode(out, silence_);
}

void FaultEpisodes::read(StateReader& in) {
  open_.clear();
  for (auto n = in.number<std::uint64_t>(); n > 0; --n) {
    const auto column = static_cast<std::size_t>(in.number<std::uint64_t>());
    const auto kind = in.number<std::uint8_t>();
    Open& open = open_[{column, kind}];
    open.good_rows = in.number<std::int64_t>();
    open.episode = read_episode(in);
  }
  silent_ = in.flag();
  silence_ = read_episode(in);
}

}  // namespace anomctl
