#include "detection/line_search.h"

#include <algorithm>
#include <cmath>

namespace anomctl {
namespace {

// The interval of uncertainty: `best` has the least value so far, `other` is its other end.
struct Interval {
  StepValue best, other;
  bool bracketed = false;
};

// Minimiser of the cubic through two values and slopes; the root is 0 where rounding makes it negative.
struct Cubic {
  double theta, root;
};
Cubic cubic(const StepValue& a, const StepValue& b, bool floor_at_zero) {
  const double theta = 3 * (a.value - b.value) / (b.step - a.step) + a.slope + b.slope;
  const double scale = std::max({std::abs(theta), std::abs(a.slope), std::abs(b.slope)});
  double inside = (theta / scale) * (theta / scale) - (a.slope / scale) * (b.slope / scale);
  if (floor_at_zero) inside = std::max(0.0, inside);
  return {theta, scale * std::sqrt(inside)};
}

// The next trial from the interval and the present one, section 4 of the paper; narrows the interval.
double next_step(Interval& interval, const StepValue& now, double least, double most) {
  const StepValue best = interval.best;
  const bool opposite = now.slope * (best.slope / std::abs(best.slope)) < 0;
  double step = 0;
  if (now.value > best.value) {  // a minimum lies between
    const auto [theta, root] = cubic(best, now, false);
    const double gamma = now.step < best.step ? -root : root;
    const double r = (gamma - best.slope + theta) / (gamma - best.slope + gamma + now.slope);
    const double by_cubic = best.step + r * (now.step - best.step);
    const double by_parabola = best.step + best.slope /
                                               ((best.value - now.value) / (now.step - best.step) + best.slope) / 2 *
                                               (now.step - best.step);
    step = std::abs(by_cubic - best.step) < std::abs(by_parabola - best.step) ? by_cubic
                                                                              : by_cubic + (by_parabola - by_cubic) / 2;
    interval.bracketed = true;
  } else if (opposite) {
    const auto [theta, root] = cubic(best, now, false);
    const double gamma = now.step > best.step ? -root : root;
    const double r = (gamma - now.slope + theta) / (gamma - now.slope + gamma + best.slope);
    const double by_cubic = now.step + r * (best.step - now.step);
    const double by_secant = now.step + now.slope / (now.slope - best.slope) * (best.step - now.step);
    step = std::abs(by_cubic - now.step) > std::abs(by_secant - now.step) ? by_cubic : by_secant;
    interval.bracketed = true;
  } else if (std::abs(now.slope) < std::abs(best.slope)) {
    const auto [theta, root] = cubic(best, now, true);
    const double gamma = now.step > best.step ? -root : root;
    const double r = (gamma - now.slope + theta) / (gamma + (best.slope - now.slope) + gamma);
    const double by_cubic = r < 0 && gamma != 0    ? now.step + r * (best.step - now.step)
                            : now.step > best.step ? most
                                                   : least;
    const double by_secant = now.step + now.slope / (now.slope - best.slope) * (best.step - now.step);
    if (interval.bracketed) {
      step = std::abs(by_cubic - now.step) < std::abs(by_secant - now.step) ? by_cubic : by_secant;
      const double end = now.step + 0.66 * (interval.other.step - now.step);
      step = now.step > best.step ? std::min(end, step) : std::max(end, step);
    } else {
      step = std::abs(by_cubic - now.step) > std::abs(by_secant - now.step) ? by_cubic : by_secant;
      step = std::clamp(step, least, most);
    }
  } else if (interval.bracketed) {
    const auto [theta, root] = cubic(now, interval.other, false);
    const double gamma = now.step > interval.other.step ? -root : root;
    const double r = (gamma - now.slope + theta) / (gamma - now.slope + gamma + interval.other.slope);
    step = now.step + r * (interval.other.step - now.step);
  } else {
    step = now.step > best.step ? most : least;
  }
  if (now.value > best.value) {
    interval.other = now;
  } else {
    if (opposite) interval.other = best;
    interval.best = now;
  }
  return step;
}

}  // namespace

std::optional<StepValue> line_search(const std::function<StepValue(double step)>& at, const StepValue& first,
                                     double step, const LineSearchSettings& settings) {
  const double enough = settings.decrease * first.slope;
  Interval interval{first, first, false};
  double width = settings.max_step, width_before = 2 * width;
  double least = 0, most = step + 4 * step;
  bool early = true;  // until a step lowers the modified function
  for (int i = 0; i < settings.max_evaluations; ++i) {
    const StepValue now = at(step);
    const double wanted = first.value + step * enough;
    if (early && now.value <= wanted && now.slope >= 0) early = false;
    if (now.value <= wanted && std::abs(now.slope) <= settings.curvature * -first.slope) return now;
    const bool stuck =
        interval.bracketed && (step <= least || step >= most || most - least <= settings.tolerance * most);
    const bool at_end = step == settings.max_step && now.value <= wanted && now.slope <= enough;
    if (stuck || at_end) return now;
    if (early && now.value <= interval.best.value && now.value > wanted) {
      // Steps are judged by the function minus what is expected of it, until one is good.
      const auto modified = [&](StepValue v) {
        v.value -= v.step * enough;
        v.slope -= enough;
        return v;
      };
      Interval shifted{modified(interval.best), modified(interval.other), interval.bracketed};
      step = next_step(shifted, modified(now), least, most);
      const auto plain = [&](StepValue v) {
        v.value += v.step * enough;
        v.slope += enough;
        return v;
      };
      interval = {plain(shifted.best), plain(shifted.other), shifted.bracketed};
    } else {
      step = next_step(interval, now, least, most);
    }
    if (interval.bracketed) {
      const double narrow = std::abs(interval.other.step - interval.best.step);
      if (narrow >= 0.66 * width_before) step = interval.best.step + 0.5 * (interval.other.step - interval.best.step);
      width_before = width;
      width = narrow;
      least = std::min(interval.best.step, interval.other.step);
      most = std::max(interval.best.step, interval.other.step);
    } else {
      least = step + 1.1 * (step - interval.best.step);
      most = step + 4 * (step - interval.best.step);
    }
    step = std::clamp(step, 0.0, settings.max_step);
    if (interval.bracketed && (step <= least || step >= most || most - least <= settings.tolerance * most))
      step = interval.best.step;
  }
  return std::nullopt;
}

}  // namespace anomctl
