#include "anomctl/detection/challenge.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <vector>

#include "anomctl/core/error.h"
#include "anomctl/detection/metrics.h"

namespace anomctl {
namespace {

// The rows that both judged; 0 is the champion, 1 the challenger.
struct Rows {
  std::array<std::vector<double>, 2> scores;
  std::array<std::vector<std::uint8_t>, 2> flagged;
  std::vector<std::uint8_t> labels;
  std::size_t size() const { return labels.size(); }
  void append(const Rows& other, std::size_t from, std::size_t to) {
    const auto add = [&](auto& mine, const auto& theirs) {
      mine.insert(mine.end(), theirs.begin() + static_cast<std::ptrdiff_t>(from),
                  theirs.begin() + static_cast<std::ptrdiff_t>(to));
    };
    for (std::size_t d = 0; d < 2; ++d) {
      add(scores[d], other.scores[d]);
      add(flagged[d], other.flagged[d]);
    }
    add(labels, other.labels);
  }
};

// Share of the normal rows that are flagged.
double alarms(const Rows& rows, std::size_t detector) {
  double normal = 0, flagged = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows.labels[i] != 0) continue;
    ++normal;
    flagged += rows.flagged[detector][i];
  }
  return normal > 0 ? flagged / normal : 0;
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(std::llround(at))];
}

}  // namespace

ChallengeResult challenge(const Opinions& champion, const Opinions& challenger, std::span<const std::uint8_t> labels,
                          const ChallengeSettings& settings) {
  Rows rows;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!std::isfinite(champion.scores[i]) || !std::isfinite(challenger.scores[i])) continue;
    for (std::size_t d = 0; d < 2; ++d) {
      const Opinions& said = d == 0 ? champion : challenger;
      rows.scores[d].push_back(said.scores[i]);
      rows.flagged[d].push_back(said.flagged[i]);
    }
    rows.labels.push_back(labels[i] != 0 ? 1 : 0);
  }
  const auto blocks = static_cast<std::size_t>(settings.blocks);
  if (rows.size() < 2 * blocks)
    throw input_error(fmt::format("{} rows were judged by both detectors, {} or more are needed to compare them",
                                  rows.size(), 2 * blocks));
  ChallengeResult result;
  result.rows = static_cast<std::int64_t>(rows.size());
  result.anomalous = std::count(rows.labels.begin(), rows.labels.end(), 1);
  const auto ranked = [&](const Rows& of, std::size_t d) { return average_precision(of.scores[d], of.labels); };
  const bool labelled = result.anomalous > 0 && result.anomalous < result.rows;
  if (labelled) {
    result.old_pr_auc = ranked(rows, 0);
    result.new_pr_auc = ranked(rows, 1);
  }
  result.old_alarms = alarms(rows, 0);
  result.new_alarms = alarms(rows, 1);

  std::mt19937_64 random(settings.seed);
  std::vector<double> gains, more_alarms;
  for (std::int64_t draw = 0; draw < settings.draws; ++draw) {
    Rows drawn;
    for (std::size_t b = 0; b < blocks; ++b) {
      const std::size_t chosen = random() % blocks;  // the same on every machine
      drawn.append(rows, rows.size() * chosen / blocks, rows.size() * (chosen + 1) / blocks);
    }
    more_alarms.push_back(alarms(drawn, 1) - alarms(drawn, 0));
    const auto before = ranked(drawn, 0), now = ranked(drawn, 1);
    if (labelled && before && now) gains.push_back(*now - *before);
  }
  result.upper_alarms = quantile(more_alarms, settings.confidence);
  if (!gains.empty()) result.lower = quantile(gains, 1 - settings.confidence);
  const bool ranks = !labelled || (result.lower && *result.lower >= -settings.margin);
  const bool quiet = result.upper_alarms <= settings.alarm_margin;
  result.passed = ranks && quiet;
  std::string text;
  if (labelled)
    text =
        fmt::format("PR-AUC {:.3f} against {:.3f}: with {:.0f} % confidence the loss is at most {:.3f} ({} {:.3f}); ",
                    *result.new_pr_auc, *result.old_pr_auc, 100 * settings.confidence,
                    std::max(0.0, -result.lower.value_or(-1)), ranks ? "within" : "more than", settings.margin);
  else
    text = "no anomaly is labelled in these rows, so only false alarms are compared; ";
  text += fmt::format("false alarms on {:.2f} % of normal rows against {:.2f} %: at most {:.2f} % more ({} {:.2f} %)",
                      100 * result.new_alarms, 100 * result.old_alarms, 100 * std::max(0.0, result.upper_alarms),
                      quiet ? "within" : "more than", 100 * settings.alarm_margin);
  result.in_words = std::move(text);
  return result;
}

}  // namespace anomctl
