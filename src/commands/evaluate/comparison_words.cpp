#include <fmt/core.h>

#include <cmath>

#include "commands/evaluate/comparison.h"

namespace anomctl {
namespace {

const ComparedDetector* best_of(const std::vector<ComparedDetector>& all, auto&& fits) {
  for (const ComparedDetector& d : all)
    if (fits(d)) return &d;
  return nullptr;
}
double ranking(const ComparedDetector& d) { return d.figures.number_or("pr_auc", 0); }

}  // namespace

Json to_json(const std::vector<ComparedDetector>& detectors) {
  Json out = Json::array();
  for (const ComparedDetector& d : detectors) {
    Json row = d.figures;
    row["name"] = d.name;
    row["group"] = d.group;
    out.push_back(std::move(row));
  }
  return out;
}

std::string judgement_in_words(const std::vector<ComparedDetector>& all) {
  const auto* own = best_of(all, [](const auto& d) { return d.group == "bundle"; });
  if (own == nullptr) return "";
  const auto* cheap = best_of(all, [](const auto& d) { return d.group == "cheap" && d.name != "random"; });
  const auto* simpler = best_of(all, [](const auto& d) { return d.group == "panel"; });
  std::string text;
  const auto close = [](double a, double b) { return std::fabs(a - b) < 0.02; };
  if (cheap != nullptr) {
    const double ours = ranking(*own), theirs = ranking(*cheap);
    if (close(ours, theirs))
      text =
          fmt::format("Ranking rows it is no better here than the best cheap detector, {} (PR-AUC {:.3f} and {:.3f}).",
                      cheap->name, ours, theirs);
    else if (ours > theirs)
      text = fmt::format(
          "It ranks rows better than every cheap detector here (PR-AUC {:.3f}; the best of them, {}, {:.3f}).", ours,
          cheap->name, theirs);
    else
      text = fmt::format("A cheap detector ranks rows better here: {}, PR-AUC {:.3f} against {:.3f}.", cheap->name,
                         theirs, ours);
  }
  if (simpler != nullptr) {
    const double ours = ranking(*own), theirs = ranking(*simpler);
    text += close(ours, theirs) ? fmt::format(" The {} does as well ({:.3f}).", simpler->name, theirs)
            : ours > theirs     ? fmt::format(" The {} reaches {:.3f}.", simpler->name, theirs)
                                : fmt::format(" The {} does better: {:.3f}.", simpler->name, theirs);
  }
  const auto* trained = best_of(all, [](const auto& d) {
    return d.name.find("MTAD-GAT") != std::string::npos && d.name != kUntrained && d.name != kLinearPartAlone;
  });
  const auto* untrained = best_of(all, [](const auto& d) { return d.name == kUntrained; });
  const auto* linear = best_of(all, [](const auto& d) { return d.name == kLinearPartAlone; });
  if (trained != nullptr && untrained != nullptr) {
    const double base = std::max(ranking(*untrained), linear != nullptr ? ranking(*linear) : 0.0);
    text += fmt::format(" MTAD-GAT's training {}: {:.3f}, untrained {:.3f}{}.",
                        ranking(*trained) > base + 0.02 ? "shows" : "does not show here", ranking(*trained),
                        ranking(*untrained),
                        linear != nullptr ? fmt::format(", its linear part alone {:.3f}", ranking(*linear)) : "");
  }
  return text;
}

std::vector<std::string> comparison_lines(const std::vector<ComparedDetector>& detectors) {
  std::vector<std::string> out;
  if (detectors.empty()) return out;
  out.push_back(fmt::format("{:<28} {:>7} {:>7} {:>7} {:>7} {:>9} {:>9} {:>9}", "detector", "PR-AUC", "ROC-AUC",
                            "VUS-PR", "F1", "affil. F1", "false/day", "delay s"));
  for (const ComparedDetector& d : detectors) {
    const auto cell = [&](const char* key, int width, int digits) {
      const Json* v = d.figures.find(key);
      return v != nullptr && v->is_number() ? fmt::format("{:>{}.{}f}", v->as_double(), width, digits)
                                            : fmt::format("{:>{}}", "-", width);
    };
    const Json* spread = d.figures.find("pr_auc_interval");
    const std::string width = spread != nullptr ? fmt::format("  PR-AUC +- {:.3f}", spread->as_double()) : "";
    out.push_back(fmt::format("{:<28} {} {} {} {} {} {} {}{}", d.name, cell("pr_auc", 7, 3), cell("roc_auc", 7, 3),
                              cell("vus_pr", 7, 3), cell("f1", 7, 3), cell("affiliation_f1", 9, 3),
                              cell("false_episodes_per_day", 9, 2), cell("delay_seconds_median", 9, 1), width));
  }
  return out;
}

}  // namespace anomctl
