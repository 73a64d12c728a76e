#include "commands/evaluate/seeds.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

constexpr const char* kSeed = "seed";

// What makes two trainings the same but for their seed.
std::map<std::string, std::string> settings_of(const RunInfo& run) {
  auto settings = run.params;
  for (const char* other : {kSeed, "run_name", "output", "datasets_dir", "resume", "threads"}) settings.erase(other);
  if (const auto hash = run.tags.find("anomctl.data_set_hash"); hash != run.tags.end())
    settings["data_set_hash"] = hash->second;
  return settings;
}

// 97.5 % point of Student's t.
double student(std::size_t degrees) {
  static constexpr double kPoints[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228};
  return degrees <= std::size(kPoints) ? kPoints[degrees - 1] : 1.96 + 2.4 / static_cast<double>(degrees);
}

const ComparedDetector* named(const std::vector<ComparedDetector>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& d) { return d.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

std::vector<RunInfo> runs_of_seeds(RunStore& store, const RunInfo& run, std::int64_t count) {
  std::vector<RunInfo> out{run};
  const auto seed_of = [](const RunInfo& r) {
    const auto found = r.params.find(kSeed);
    return found == r.params.end() ? std::string() : found->second;
  };
  std::set<std::string> seeds{seed_of(run)};
  for (const RunInfo& other : store.list(run.experiment)) {
    if (static_cast<std::int64_t>(out.size()) == count) break;
    if (other.status != "FINISHED" || settings_of(other) != settings_of(run)) continue;
    if (seeds.insert(seed_of(other)).second) out.push_back(other);
  }
  if (static_cast<std::int64_t>(out.size()) < count) {
    std::string have;
    for (const auto& seed : seeds) have += (have.empty() ? "" : ", ") + seed;
    throw UsageError(
        fmt::format("--seeds {}: there are {} trainings with the settings of run {} (seeds {}); train the rest with "
                    "'anomctl train --seed N' and otherwise the same settings",
                    count, out.size(), run.name, have));
  }
  return out;
}

std::vector<ComparedDetector> mean_over_seeds(const std::vector<std::vector<ComparedDetector>>& comparisons) {
  std::vector<ComparedDetector> out;
  const auto n = static_cast<double>(comparisons.size());
  for (const ComparedDetector& first : comparisons.front()) {
    ComparedDetector mean{first.name, first.group, {}, Json::object()};
    std::vector<const ComparedDetector*> same;
    for (const auto& comparison : comparisons)
      if (const auto* d = named(comparison, first.name)) same.push_back(d);
    if (same.size() < comparisons.size()) continue;
    for (const auto& [key, value] : first.figures.as_object()) {
      double sum = 0, square = 0;
      std::size_t known = 0;
      for (const auto* d : same) {
        const Json* v = d->figures.find(key);
        if (v == nullptr || !v->is_number()) continue;
        ++known;
        sum += v->as_double();
      }
      if (known < comparisons.size()) {
        mean.figures[key] = Json();
        continue;
      }
      for (const auto* d : same) square += std::pow(d->figures.at(key).as_double() - sum / n, 2);
      mean.figures[key] = sum / n;
      mean.figures[key + "_interval"] = student(comparisons.size() - 1) * std::sqrt(square / (n - 1) / n);
    }
    out.push_back(std::move(mean));
  }
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return a.figures.number_or("pr_auc", 0) > b.figures.number_or("pr_auc", 0);
  });
  return out;
}

}  // namespace anomctl
