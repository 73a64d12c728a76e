#include "commands/demo/rehearsal.h"

#include <fmt/format.h>

#include <algorithm>

namespace anomctl {
namespace {

constexpr Nanoseconds kAfter = 60 * kSecond;  // an alert so soon after a fault is still its

bool overlaps(const Episode& episode, Nanoseconds start, Nanoseconds end) {
  return episode.start <= end + kAfter && std::max(episode.end, episode.start) >= start;
}

std::string clock_of(Nanoseconds time) { return format_stamp(time / kSecond * kSecond).substr(11, 8); }

std::string names(const Episode& episode) {
  std::string text;
  for (const Cause& cause : episode.causes)
    text += fmt::format("{}{} {:.0f} %", text.empty() ? "" : ", ", cause.sensor, 100 * cause.share);
  return text;
}

}  // namespace

void Rehearsal::expect(const std::vector<InjectedFault>& truth) {
  for (const InjectedFault& fault : truth)
    truth_.push_back(
        {fmt::format("{} of {}", fault_name(fault.kind), fault.sensor), fault.affected, fault.start, fault.end});
}

void Rehearsal::expect(const DataSet& set) {
  for (const Segment& segment : set.segments) {
    const auto at = [&](std::int64_t row) { return set.eval.times[static_cast<std::size_t>(row)]; };
    truth_.push_back({segment.root_cause.empty() ? "labelled anomaly" : segment.root_cause, segment.affected,
                      at(segment.rows.first), at(segment.rows.last)});
  }
}

std::string Rehearsal::add(const Episode& episode) {
  const auto known =
      std::find_if(episodes_.begin(), episodes_.end(), [&](const Episode& e) { return e.id == episode.id; });
  if (known != episodes_.end())
    *known = episode;
  else
    episodes_.push_back(episode);
  if (episode.closed && episode.kind != "anomaly")
    return fmt::format("{}  over    after {} s", clock_of(episode.end), (episode.end - episode.start) / kSecond);
  if (episode.closed)
    return fmt::format("{}  over    after {} s, peak {:.1f} at a limit of {:.1f}", clock_of(episode.end),
                       (episode.end - episode.start) / kSecond, episode.peak, episode.threshold);
  if (episode.kind != "anomaly") return fmt::format("{}  SENSOR  {}", clock_of(episode.start), episode.reason);
  return fmt::format("{}  ALERT   {}\n                  {}", clock_of(episode.start), names(episode), episode.reason);
}

Rehearsal::Finding Rehearsal::find(const Truth& truth) const {
  Finding finding;
  for (const Episode& episode : episodes_) {
    if (!overlaps(episode, truth.start, truth.end)) continue;
    if (finding.first == nullptr) finding.first = &episode;
    for (const Cause& cause : episode.causes)
      finding.named = finding.named ||
                      std::find(truth.affected.begin(), truth.affected.end(), cause.sensor) != truth.affected.end();
  }
  return finding;
}

bool Rehearsal::belongs(const Episode& episode) const {
  return std::any_of(truth_.begin(), truth_.end(),
                     [&](const Truth& truth) { return overlaps(episode, truth.start, truth.end); });
}

std::string Rehearsal::summary() const {
  std::string text;
  int found = 0, named = 0, known = 0;
  for (const Truth& truth : truth_) {
    const Finding finding = find(truth);
    known += !truth.affected.empty();
    text += fmt::format("{} to {}  {:<26} ", clock_of(truth.start), clock_of(truth.end), truth.what);
    if (finding.first == nullptr) {
      text += "missed\n";
      continue;
    }
    ++found;
    named += finding.named;
    const Nanoseconds delay = std::max<Nanoseconds>(0, finding.first->start - truth.start) / kSecond;
    text += fmt::format("told after {} s{}\n", delay,
                        truth.affected.empty() ? ""
                        : finding.named        ? ", with the right sensor"
                                               : ", wrong sensors");
  }
  const auto wrong = std::count_if(episodes_.begin(), episodes_.end(), [&](const Episode& e) { return !belongs(e); });
  text += fmt::format(
      "{} of {} faults told, {} of {} with a sensor that shows the fault; {} alerts without a fault in {} rows", found,
      truth_.size(), named, known, wrong, rows);
  return text;
}

Json Rehearsal::to_json() const {
  Json faults = Json::array(), alerts = Json::array();
  for (const Truth& truth : truth_) {
    const Finding finding = find(truth);
    Json fault = Json::object();
    fault["what"] = truth.what;
    fault["start"] = format_stamp(truth.start);
    fault["end"] = format_stamp(truth.end);
    fault["affected"] = Json(truth.affected);
    fault["told"] = finding.first != nullptr;
    fault["sensor_named"] = finding.named;
    faults.push_back(std::move(fault));
  }
  std::int64_t wrong = 0;
  for (const Episode& episode : episodes_) {
    alerts.push_back(anomctl::to_json(episode));
    wrong += !belongs(episode);
  }
  Json json = Json::object();
  json["rows"] = rows;
  json["faults"] = std::move(faults);
  json["alerts"] = std::move(alerts);
  json["alerts_without_fault"] = wrong;
  return json;
}

}  // namespace anomctl
