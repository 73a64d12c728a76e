// Limits for a score, from scores of rows that are taken as normal. POT fits the tail over a high quantile (Siffer et
// al., KDD 2017), epsilon looks for the limit that calms the scores most (Hundman et al., KDD 2018). Mode `reference`
// computes them as the Python references do. Thread rule: values and pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "anomctl/core/fields.h"

namespace anomctl {

struct PotSettings {
  double q = 1e-3;             // chance that a normal row is over the limit
  double level = 0.99;         // quantile from which on the tail is fitted
  std::string mode = "exact";  // exact: maximum likelihood; reference: as the Python reference fits

  static void fields(auto& self, auto&& field) {
    field("pot_q", self.q, "POT: chance that a normal row's score is over the limit", Between{1e-12, 0.5});
    field("pot_level", self.level, "POT: quantile of the train scores from which on the tail is fitted",
          Between{0.5, 0.99999});
    field("pot_mode", self.mode, "POT: the exact maximum likelihood fit, or the reference's",
          OneOf{{"exact", "reference"}});
  }
};

// A generalised Pareto distribution fitted to the excesses over `initial`.
struct PotFit {
  double threshold = 0;  // the limit
  double initial = 0;    // the quantile at `level`
  double gamma = 0;      // shape: < 0 bounded, 0 exponential, > 0 heavy
  double sigma = 0;      // scale
  double log_likelihood = 0;
  std::size_t peaks = 0;  // scores over `initial`
};

// Scores that are not finite are left out. Throws Error(bad_input) when fewer than 2 scores, or all alike, are over the
// quantile: a tail cannot be fitted.
PotFit fit_pot(std::span<const double> train_scores, const PotSettings& settings = {});
double pot_threshold(std::span<const double> train_scores, const PotSettings& settings = {});

// mean + z sd of the scores, z from 2.5 to 11.5, that lowers mean and spread most once the scores over it are taken
// out, divided by (rows over it with 49 on both sides)^reg_level; the largest score where no z does. reg_level 0, 1 or
// 2. Scores must be in time order; those that are not finite are left out. Throws Error(bad_input) without any score.
double epsilon_threshold(std::span<const double> train_scores, int reg_level = 1);

// Exponentially weighted mean, alpha = 2 / (span + 1), weights summing to one from the first row on (pandas' ewm with
// adjust=True). Requires: span >= 1.
std::vector<double> ewma(std::span<const double> scores, double span);

}  // namespace anomctl
