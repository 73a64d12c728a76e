// A limit for a number of false episodes a day, week or month, from scores of normal rows that no fit has seen. Scores
// over a high level come in clusters, as episodes do; the highest limit at which each would still have opened one is
// taken to be independent of the others (declustered maxima), and followed beyond the data by a generalised Pareto distribution (Davison and Smith, J. R. Stat. Soc. B 52, 1990), whose fit is
// checked; where it does not fit, the limit is empirical. Thread rule: values and pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/detection/episodes.h"

namespace anomctl {

struct Bundle;

// "2/week": episodes an asset. Units: hour, day, week, month (30 days).
struct Budget {
  double episodes = 1;
  double unit_s = 604'800;
  std::string unit = "week";
  double per_s() const { return episodes / unit_s; }
};
// Throws UsageError.
Budget parse_budget(const std::string& text);

// What the scores of normal rows say of any budget.
struct BudgetCalibration {
  double level = 0;           // clusters are looked for over this score
  std::vector<double> peaks;  // ascending: the largest score of each cluster
  double split = 1;           // episodes that a cluster makes at higher limits, on average, >= 1
  double dispersion = 1;      // of the number of clusters: 1 if they come independently, more if they bunch, >= 1
  double clean_s = 0;         // time that the scored rows cover
  std::string source;         // where the scores come from, in words

  Json to_json() const;
  static BudgetCalibration from_json(const Json& json);  // throws Error(bad_input)
};

// scores: in the order of time, not finite where there is none; rows `period_s` apart. A cluster is what would be an
// episode at the level. Throws Error(bad_input) when there is none.
BudgetCalibration calibrate_budget(std::span<const double> scores, double period_s,
                                   const EpisodeSettings& episodes = {});

struct BudgetLimit {
  double limit = 0;
  bool pareto = false;       // else empirical
  double seen = 0;           // episodes that the calibration's rows would have had
  double at_most_per_s = 0;  // what that excludes with 95 %: Poisson's upper bound
  bool defended = false;     // which is within the budget
  std::string in_words;      // limit, how it was found, what the clean data can defend
};
BudgetLimit limit_for(const BudgetCalibration& calibration, const Budget& budget);

// The limit of `budget` as the bundle's own, under the name "budget". Throws UsageError for a budget that is none and for a
// bundle without calibration.
BudgetLimit take_budget(Bundle& bundle, const std::string& budget);

// The mean of which a Poisson count of `seen` or fewer has a chance of 5 %; 3.0 for 0.
double poisson_upper(double seen);

}  // namespace anomctl
