#include "commands/evaluate/causes.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace anomctl {
namespace {

constexpr std::size_t kNamed = 3;

std::set<std::string> known_causes(const Segment& segment, const DataSet& set) {
  const auto is_sensor = [&](const std::string& name) {
    return std::any_of(set.columns.begin(), set.columns.end(), [&](const Column& c) { return c.name == name; });
  };
  if (is_sensor(segment.root_cause)) return {segment.root_cause};
  std::set<std::string> out;
  for (const auto& name : segment.affected)
    if (is_sensor(name)) out.insert(name);
  return out;
}

// The sensors with the largest parts, strongest first.
std::vector<std::string> strongest(const std::vector<double>& parts, const DataSet& set) {
  std::vector<std::size_t> order(parts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return parts[a] > parts[b]; });
  std::vector<std::string> out;
  for (std::size_t i = 0; i < std::min(kNamed, order.size()); ++i) out.push_back(set.columns[order[i]].name);
  return out;
}

void count(CauseHits& hits, const std::vector<std::string>& named, const std::set<std::string>& causes) {
  ++hits.events;
  for (std::size_t i = 0; i < std::min(kNamed, named.size()); ++i) {
    if (!causes.contains(named[i])) continue;
    ++hits.among_three;
    hits.first += i == 0 ? 1 : 0;
    return;
  }
}

}  // namespace

std::vector<CauseHits> cause_hits(const Judgement& judged, const DataSet& set, const CheapDetectors* cheap) {
  std::vector<CauseHits> out = {{"this bundle", 0, 0, 0}};
  if (cheap != nullptr) out.insert(out.end(), {{"z-score", 0, 0, 0}, {"PCA Q", 0, 0, 0}});
  for (const Segment& segment : set.segments) {
    const auto causes = known_causes(segment, set);
    if (causes.empty()) continue;
    const auto found = std::find_if(judged.episodes.begin(), judged.episodes.end(), [&](const FoundEpisode& e) {
      return e.rows.first <= segment.rows.last && e.rows.last >= segment.rows.first && !e.told.causes.empty();
    });
    if (found == judged.episodes.end()) continue;
    std::vector<std::string> named;
    for (const Cause& cause : found->told.causes) named.push_back(cause.sensor);
    count(out[0], named, causes);
    if (cheap == nullptr) continue;
    const auto blame = cheap->blame(set.eval.values.row(static_cast<std::size_t>(found->peak_row)));
    count(out[1], strongest(blame.z_score, set), causes);
    count(out[2], strongest(blame.pca, set), causes);
  }
  if (out[0].events == 0) return {};
  return out;
}

Json to_json(const std::vector<CauseHits>& hits) {
  Json out = Json::array();
  for (const CauseHits& h : hits) {
    Json row = Json::object();
    row["by"] = h.by;
    row["events"] = h.events;
    row["hit_rate_1"] = static_cast<double>(h.first) / static_cast<double>(h.events);
    row["hit_rate_3"] = static_cast<double>(h.among_three) / static_cast<double>(h.events);
    out.push_back(std::move(row));
  }
  return out;
}

std::string causes_in_words(const std::vector<CauseHits>& hits) {
  if (hits.empty()) return "";
  const CauseHits& own = hits.front();
  std::string text = fmt::format(
      "Of the {} found {} whose cause is known, the sensor named first is the cause of {}, and one of the three named "
      "of {}",
      own.events, own.events == 1 ? "event" : "events", own.first, own.among_three);
  for (std::size_t i = 1; i < hits.size(); ++i)
    text += fmt::format("{}by {} {} and {}", i == 1 ? "; " : ", ", hits[i].by, hits[i].first, hits[i].among_three);
  return text + ".";
}

}  // namespace anomctl
