// The generalised Pareto distribution fitted to excesses over a limit (Grimshaw, Technometrics 35, 1993). With z =
// gamma / sigma the maximum likelihood estimates are roots of w(z) = u(z) v(z) - 1, u = 1 + mean(log(1 + z y)), v =
// mean(1 / (1 + z y)), z > -1 / max(y); then gamma = u - 1 and sigma = gamma / z. z = 0 always is a root and stands for
// the exponential. Thread rule: pure functions.
#pragma once

#include <span>

namespace anomctl {

struct ParetoFit {
  double gamma = 0;
  double sigma = 0;
  double log_likelihood = 0;
};

// The best of all roots. Requires: at least two ascending excesses > 0, not all alike.
ParetoFit fit_pareto(std::span<const double> excesses);

// As the Python reference fits: it looks in two intervals, of which the right one misses the root of most heavy tails,
// by one joint minimisation of the sum of w^2 over ten start points each, and gives the exponential a likelihood of the
// wrong sign. Its limits are known and relied on, so they are kept beside the exact ones.
ParetoFit fit_pareto_as_reference(std::span<const double> excesses);

}  // namespace anomctl
