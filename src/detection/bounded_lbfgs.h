// Minimises a smooth function of a few variables inside one interval: the limited-memory quasi-Newton method for bounds
// of Byrd, Lu, Nocedal and Zhu (1995). Thread rule: a pure function.
#pragma once

#include <functional>
#include <vector>

namespace anomctl {

// Value at `x`; fills `gradient` (same size).
using Objective = std::function<double(const std::vector<double>& x, std::vector<double>& gradient)>;

struct BoundedLbfgsOptions {
  std::size_t memory = 10;
  double relative_decrease = 2.220446049250313e-9;  // ends when a step lowers the value by less, relative to it
  double projected_gradient = 1e-5;                 // ends when no free component is larger
  int max_iterations = 15'000;
};

// Moves `x`, all of whose components stay in [lo, hi]. Returns the value reached.
double minimise_in_box(const Objective& objective, double lo, double hi, std::vector<double>& x,
                       const BoundedLbfgsOptions& options = {});

}  // namespace anomctl
