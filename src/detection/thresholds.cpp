#include "anomctl/detection/thresholds.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "detection/pareto_fit.h"

namespace anomctl {
namespace {

std::vector<double> finite_only(std::span<const double> scores) {
  std::vector<double> out;
  out.reserve(scores.size());
  for (const double score : scores)
    if (std::isfinite(score)) out.push_back(score);
  return out;
}

struct Moments {
  double mean = 0, sd = 0;  // population standard deviation
};

Moments moments(std::span<const double> values) {
  Moments m;
  if (values.empty()) return m;
  const auto n = static_cast<double>(values.size());
  m.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double v : values) squares += (v - m.mean) * (v - m.mean);
  m.sd = std::sqrt(squares / n);
  return m;
}

}  // namespace

PotFit fit_pot(std::span<const double> train_scores, const PotSettings& settings) {
  auto sorted = finite_only(train_scores);
  if (sorted.empty()) throw input_error("POT: there is no score to fit a limit to");
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  const auto at = std::min(static_cast<std::size_t>(settings.level * n), sorted.size() - 1);
  PotFit fit;
  fit.initial = sorted[at];
  std::vector<double> excesses;  // ascending
  for (const double score : sorted)
    if (score > fit.initial) excesses.push_back(score - fit.initial);
  fit.peaks = excesses.size();
  if (excesses.size() < 2 || excesses.front() == excesses.back())
    throw input_error("POT: " + std::to_string(excesses.size()) + " of " + std::to_string(sorted.size()) +
                      " train scores are over the quantile " + shortest(settings.level) +
                      (excesses.size() < 2 ? "" : ", all alike") +
                      "; a tail cannot be fitted: train on more rows or lower --pot-level");
  const ParetoFit pareto = settings.mode == "reference" ? fit_pareto_as_reference(excesses) : fit_pareto(excesses);
  fit.gamma = pareto.gamma;
  fit.sigma = pareto.sigma;
  fit.log_likelihood = pareto.log_likelihood;
  const double ratio = settings.q * n / static_cast<double>(fit.peaks);  // q over the share of peaks
  fit.threshold = fit.initial + (fit.gamma == 0 ? -fit.sigma * std::log(ratio)
                                                : fit.sigma / fit.gamma * std::expm1(-fit.gamma * std::log(ratio)));
  return fit;
}

double pot_threshold(std::span<const double> train_scores, const PotSettings& settings) {
  return fit_pot(train_scores, settings).threshold;
}

double epsilon_threshold(std::span<const double> train_scores, int reg_level) {
  const auto scores = finite_only(train_scores);
  if (scores.empty()) throw input_error("epsilon: there is no score to fit a limit to");
  if (reg_level < 0 || reg_level > 2) throw UsageError("epsilon: the regularisation level is 0, 1 or 2");
  constexpr std::size_t kMargin = 49;  // rows on both sides of one over the limit that count with it
  const auto n = scores.size();
  const auto all = moments(scores);
  double best = *std::max_element(scores.begin(), scores.end());
  double best_gain = -1e7;
  for (int half_steps = 5; half_steps < 24; ++half_steps) {
    const double limit = all.mean + all.sd * 0.5 * half_steps;
    std::vector<double> calm;
    std::size_t covered = 0, covered_until = 0;  // rows [0, covered_until) are counted as far as they are covered
    for (std::size_t i = 0; i < n; ++i) {
      if (scores[i] < limit) {
        calm.push_back(scores[i]);
        continue;
      }
      const auto first = std::max(covered_until, i > kMargin ? i - kMargin : 0);
      const auto end = std::min(n, i + kMargin + 1);
      if (end > first) covered += end - first;
      covered_until = std::max(covered_until, end);
    }
    if (covered == 0 || calm.empty() || 2 * covered >= n) continue;
    const auto rest = moments(calm);
    const double gain = (all.mean - rest.mean) / all.mean + (all.sd - rest.sd) / all.sd;
    const double weighted = gain / std::pow(static_cast<double>(covered), reg_level);
    if (weighted >= best_gain) {
      best_gain = weighted;
      best = limit;
    }
  }
  return best;
}

std::vector<double> ewma(std::span<const double> scores, double span) {
  const double keep = 1 - 2 / (span + 1);
  std::vector<double> out;
  out.reserve(scores.size());
  double sum = 0, weight = 0;
  for (const double score : scores) {
    sum = keep * sum + score;
    weight = keep * weight + 1;
    out.push_back(sum / weight);
  }
  return out;
}

}  // namespace anomctl
