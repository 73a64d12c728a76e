#include "anomctl/detection/budget.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <random>

#include "anomctl/core/error.h"
#include "anomctl/detection/bundle.h"
#include "detection/pareto_fit.h"

namespace anomctl {
namespace {

constexpr std::size_t kWantedPeaks = 60;
constexpr std::size_t kLeastPeaks = 20;  // fewer say nothing of a tail's shape
constexpr double kLargestShare = 0.1;    // of the rows over the level
constexpr std::size_t kReplicates = 100;
constexpr double kConfidence = 0.98;       // of the limit against chance alone; loads that come and go take the rest
constexpr double kLikelihoodRatio = 3.84;  // chi-squared, one degree of freedom, 95 %
constexpr double kWorstDistance = 1.094;   // Stephens, J. Am. Stat. Assoc. 69, 1974: exponential, scale fitted, 5 %

// The highest of each cluster over `level`, in the order of time, and the rows where these are.
struct Clusters {
  std::vector<double> peaks;
  std::vector<std::size_t> rows;
};
struct Scores {
  std::span<const double> scores;
  std::vector<double> opening;  // what an episode opens by
  EpisodeSettings episodes;
};
Clusters clusters_over(const Scores& in, double level) {
  Clusters out;
  bool open = false;
  std::int64_t under = 0;
  for (std::size_t i = 0; i < in.scores.size(); ++i) {
    const bool is_under = !std::isfinite(in.scores[i]) || in.episodes.under(in.scores[i], level);
    under = is_under ? under + 1 : 0;
    if (under >= in.episodes.off_rows) open = false;
    if (!(in.opening[i] >= level)) continue;
    if (!open) {
      out.peaks.push_back(in.opening[i]);
      out.rows.push_back(i);
    } else if (in.opening[i] > out.peaks.back()) {
      out.peaks.back() = in.opening[i];
      out.rows.back() = i;
    }
    open = true;
    under = 0;
  }
  return out;
}

// Variance over mean of the counts in ten stretches.
double dispersion_of(const std::vector<std::size_t>& rows, std::size_t n) {
  std::array<double, 10> counts{};
  for (const std::size_t row : rows) ++counts[std::min(counts.size() - 1, row * counts.size() / n)];
  const double mean = static_cast<double>(rows.size()) / static_cast<double>(counts.size());
  double squares = 0;
  for (const double count : counts) squares += (count - mean) * (count - mean);
  return std::max(1.0, squares / static_cast<double>(counts.size() - 1) / mean);
}

// The tail of excesses. A shape is believed only where the data insist on one heavier than exponential: a bounded tail
// would promise that nothing goes beyond its end.
struct Tail {
  double gamma = 0, sigma = 1;
  double at(double share) const {  // the excess that a share of them goes beyond
    return gamma == 0 ? -sigma * std::log(share) : sigma / gamma * std::expm1(-gamma * std::log(share));
  }
  double below(double excess) const {
    return gamma == 0 ? -std::expm1(-excess / sigma) : 1 - std::pow(1 + gamma * excess / sigma, -1 / gamma);
  }
};

Tail fit_tail(std::span<const double> ascending) {
  const auto n = static_cast<double>(ascending.size());
  const double mean = std::accumulate(ascending.begin(), ascending.end(), 0.0) / n;
  const Tail exponential{0, mean};
  if (ascending.size() < kLeastPeaks || ascending.front() == ascending.back()) return exponential;
  // The score test of a shape of zero, of variance 1 / n: what it is far from rejecting need not be fitted.
  double squares = 0;
  for (const double y : ascending) squares += y * y / n;
  const double skew = squares / (2 * mean * mean) - 1;
  if (skew < 0 || n * skew * skew < 0.25 * kLikelihoodRatio) return exponential;
  const ParetoFit fit = fit_pareto(ascending);
  const double gain = 2 * (fit.log_likelihood + n * (1 + std::log(mean)));
  return fit.gamma > 0 && gain > kLikelihoodRatio ? Tail{fit.gamma, fit.sigma} : exponential;
}

// Kolmogorov's distance, scaled so that one bound does for all numbers.
double distance(const Tail& tail, std::span<const double> ascending) {
  const auto n = static_cast<double>(ascending.size());
  double largest = 0;
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    const double expected = tail.below(ascending[i]), at = static_cast<double>(i);
    largest = std::max({largest, expected - at / n, (at + 1) / n - expected});
  }
  return (largest - 0.2 / n) * (std::sqrt(n) + 0.26 + 0.5 / std::sqrt(n));
}

// The excess over the level that the budget allows, on the safe side: what kConfidence of as many samples from the fit
// would have given at most. `allowed`: clusters in the calibration's time.
double safe_excess(const Tail& tail, std::size_t n, double dispersion, double allowed) {
  std::mt19937_64 random(20);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform(0x1p-53, 1);
  std::vector<double> found;
  for (std::size_t i = 0; i < kReplicates; ++i) {
    const double drawn = static_cast<double>(n) + std::sqrt(dispersion * static_cast<double>(n)) * normal(random);
    const auto count = static_cast<std::size_t>(std::max(2.0, std::round(drawn)));
    std::vector<double> excesses;
    for (std::size_t j = 0; j < count; ++j) excesses.push_back(tail.at(uniform(random)));
    std::sort(excesses.begin(), excesses.end());
    found.push_back(fit_tail(excesses).at(std::min(1.0, allowed / static_cast<double>(count))));
  }
  const auto at = found.begin() + static_cast<std::ptrdiff_t>(kConfidence * kReplicates);
  std::nth_element(found.begin(), at, found.end());
  return std::max(*at, tail.at(std::min(1.0, allowed / static_cast<double>(n))));
}

// How many of the largest peaks may be over the limit, so that `allowed` clusters are not exceeded with 95 %; clusters
// that bunch count for fewer. Nothing: not even none may.
std::optional<std::size_t> most_over(const BudgetCalibration& c, double allowed) {
  const auto bears = [&](std::size_t over) {
    return c.dispersion * poisson_upper(std::ceil(static_cast<double>(over) / c.dispersion)) <= allowed;
  };
  if (!bears(0)) return std::nullopt;
  std::size_t over = 0;
  while (over + 1 < c.peaks.size() && bears(over + 1)) ++over;
  return over;
}

std::string in_words(const BudgetCalibration& c, const Budget& budget, const BudgetLimit& limit) {
  const double clean = c.clean_s / budget.unit_s, needed = poisson_upper(0) / budget.episodes;
  const std::string promise = fmt::format("{:g} a {}", budget.episodes, budget.unit);
  std::string text =
      fmt::format("limit {:.6g} for {} false episodes ({} of {} declustered maxima, {}): ", limit.limit, promise,
                  limit.pareto ? "generalised Pareto tail" : "empirical, as no tail fits", c.peaks.size(), c.source);
  text += fmt::format("{:.0f} in {:.2g} clean {}s, which excludes more than {:.2g} a {} with 95 %", limit.seen, clean,
                      budget.unit, limit.at_most_per_s * budget.unit_s, budget.unit);
  if (limit.defended) return text;
  return text + (limit.pareto ? "; the rest is extrapolated" : "; the limit is the largest score seen") +
         fmt::format(": to promise {} with 95 % takes {:.2g} clean {}s or more", promise, needed, budget.unit);
}

}  // namespace

Budget parse_budget(const std::string& text) {
  const std::size_t slash = text.find('/');
  Budget budget;
  const auto [end, error] = std::from_chars(text.data(), text.data() + std::min(slash, text.size()), budget.episodes);
  constexpr std::array<std::pair<const char*, double>, 4> kUnits{
      {{"hour", 3600}, {"day", 86'400}, {"week", 604'800}, {"month", 2'592'000}}};
  const auto unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& u) {
    return slash != std::string::npos && text.substr(slash + 1) == u.first;
  });
  if (unit == kUnits.end() || error != std::errc() || end != text.data() + slash ||
      !(budget.episodes > 0 && budget.episodes <= 1e6))
    throw UsageError(
        fmt::format("budget '{}': expected a number of episodes an hour, day, week or month, as in 1/week", text));
  budget.unit = unit->first;
  budget.unit_s = unit->second;
  return budget;
}

double poisson_upper(double seen) {
  double low = 0, high = 10 + 3 * seen;
  for (int i = 0; i < 100; ++i) {
    const double mean = 0.5 * (low + high);
    double term = std::exp(-mean), sum = term;
    for (double k = 1; k <= seen; ++k) {
      term *= mean / k;
      sum += term;
    }
    (sum > 0.05 ? low : high) = mean;
  }
  return 0.5 * (low + high);
}

BudgetCalibration calibrate_budget(std::span<const double> scores, double period_s, const EpisodeSettings& episodes) {
  const Scores in{scores, episodes.opening(scores), episodes};
  std::vector<double> sorted;
  for (const double score : in.opening)
    if (std::isfinite(score)) sorted.push_back(score);
  if (sorted.size() < 2) throw input_error("budget: there are no scores to calibrate with");
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  BudgetCalibration out;
  out.clean_s = n * period_s;
  Clusters clusters;
  // The highest level that leaves clusters enough.
  for (double share = 1e-6; share <= kLargestShare && clusters.peaks.size() < kWantedPeaks; share *= 1.5) {
    const auto over = static_cast<std::size_t>(share * n);
    if (over == 0) continue;
    out.level = sorted[sorted.size() - over];
    clusters = clusters_over(in, out.level);
  }
  if (clusters.peaks.empty()) throw input_error("budget: there are too few rows to calibrate with");
  out.dispersion = dispersion_of(clusters.rows, scores.size());
  out.peaks = clusters.peaks;
  std::sort(out.peaks.begin(), out.peaks.end());
  const std::size_t middle = out.peaks.size() / 2;
  const auto again = static_cast<double>(clusters_over(in, out.peaks[middle]).peaks.size());
  out.split = std::max(1.0, again / static_cast<double>(out.peaks.size() - middle));
  return out;
}

BudgetLimit limit_for(const BudgetCalibration& c, const Budget& budget) {
  std::vector<double> excesses;
  for (const double peak : c.peaks)
    if (peak > c.level) excesses.push_back(peak - c.level);
  const double allowed = budget.per_s() * c.clean_s / c.split;  // clusters
  BudgetLimit out;
  if (excesses.size() >= kLeastPeaks) {
    const Tail tail = fit_tail(excesses);
    out.pareto = distance(tail, excesses) <= kWorstDistance;
    if (out.pareto) out.limit = c.level + safe_excess(tail, excesses.size(), c.dispersion, allowed);
  }
  // What the data alone can defend counts in any case.
  const std::optional<std::size_t> over = most_over(c, allowed);
  const double empirical =
      std::nextafter(c.peaks[c.peaks.size() - 1 - over.value_or(0)], std::numeric_limits<double>::infinity());
  if (!out.pareto)
    out.limit = empirical;
  else if (over && *over + 1 < c.peaks.size())
    out.limit = std::max(out.limit, empirical);
  const auto first_over = std::lower_bound(c.peaks.begin(), c.peaks.end(), out.limit);
  out.seen = std::round(c.split * static_cast<double>(c.peaks.end() - first_over));
  out.at_most_per_s = poisson_upper(out.seen) / c.clean_s;
  out.defended = out.at_most_per_s <= budget.per_s();
  out.in_words = in_words(c, budget, out);
  return out;
}

BudgetLimit take_budget(Bundle& bundle, const std::string& text) {
  const Budget budget = parse_budget(text);
  if (!bundle.budget)
    throw UsageError(
        fmt::format("budget: the bundle {} was made without what a budget needs: train it again, or give "
                    "--threshold",
                    bundle.name));
  BudgetLimit limit = limit_for(*bundle.budget, budget);
  bundle.thresholds["budget"] = limit.limit;
  bundle.chosen_threshold = "budget";
  return limit;
}

Json BudgetCalibration::to_json() const {
  Json json = Json::object();
  json["level"] = level;
  json["peaks"] = Json(peaks);
  json["split"] = split;
  json["dispersion"] = dispersion;
  json["clean_s"] = clean_s;
  json["source"] = source;
  return json;
}

BudgetCalibration BudgetCalibration::from_json(const Json& json) {
  BudgetCalibration c;
  c.level = json.at("level").as_double();
  c.peaks = doubles(json.at("peaks"));
  c.split = json.at("split").as_double();
  c.dispersion = json.at("dispersion").as_double();
  c.clean_s = json.at("clean_s").as_double();
  c.source = json.string_or("source", "");
  const bool numbers = std::isfinite(c.level) && c.clean_s > 0 && c.split >= 1 && c.dispersion >= 1 &&
                       std::all_of(c.peaks.begin(), c.peaks.end(), [&](double p) { return p >= c.level; });
  if (c.peaks.empty() || !numbers || !std::is_sorted(c.peaks.begin(), c.peaks.end()))
    throw input_error("budget: its numbers do not go together");
  return c;
}

}  // namespace anomctl
