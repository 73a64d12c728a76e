// A step along a descent direction that lowers a function enough and flattens it enough: the method of More and Thuente
// (ACM TOMS 20, 1994). Thread rule: a pure function.
#pragma once

#include <functional>
#include <optional>

namespace anomctl {

// Value and slope at a step.
struct StepValue {
  double step = 0, value = 0, slope = 0;
};

struct LineSearchSettings {
  double decrease = 1e-3;  // share of the expected decrease that is enough
  double curvature = 0.9;  // share of the first slope that is flat enough
  double tolerance = 0.1;  // ends when the interval is this narrow, relative to its upper end
  double max_step = 1e10;
  int max_evaluations = 20;
};

// Starts at `first` (step 0) with the step `step`. Nothing when no step is good enough.
std::optional<StepValue> line_search(const std::function<StepValue(double step)>& at, const StepValue& first,
                                     double step, const LineSearchSettings& settings);

}  // namespace anomctl
