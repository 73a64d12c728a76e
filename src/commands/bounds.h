// Bounds on figures, `--fail-on 'pr_auc<0.6'`: the command fails (exit code 3) where one holds. Thread rule: values.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/json.h"

namespace anomctl {

struct Bound {
  std::string text;    // as given
  std::string metric;  // key of the figures
  std::string sign;    // < <= > >=
  double limit = 0;
};

// Throws UsageError for text that is no bound.
Bound parse_bound(const std::string& text);
// What is missed, one sentence a bound: "pr_auc<0.6: pr_auc is 0.41". A figure without a value (no labels) is missed.
// Throws UsageError for a metric that `figures` (an object of numbers) does not know.
std::vector<std::string> missed_bounds(const std::vector<Bound>& bounds, const Json& figures);

}  // namespace anomctl
