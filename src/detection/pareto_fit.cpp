#include "detection/pareto_fit.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "detection/bounded_lbfgs.h"

namespace anomctl {
namespace {

double mean(std::span<const double> y) {
  return std::accumulate(y.begin(), y.end(), 0.0) / static_cast<double>(y.size());
}

struct Grimshaw {
  double u = 0, v = 0, slope = 0;  // slope = dw/dz
  double w() const { return u * v - 1; }
};

Grimshaw grimshaw(std::span<const double> y, double z) {
  double logs = 0, inverses = 0, squares = 0;
  for (const double value : y) {
    const double s = 1 + z * value;
    logs += std::log1p(z * value);
    inverses += 1 / s;
    squares += 1 / (s * s);
  }
  const auto n = static_cast<double>(y.size());
  Grimshaw g;
  g.u = 1 + logs / n;
  g.v = inverses / n;
  // du/dz = (1 - v) / z, dv/dz = (mean(1/s^2) - v) / z
  g.slope = z == 0 ? 0 : (g.u * (squares / n - g.v) + g.v * (1 - g.v)) / z;
  return g;
}

double pareto_likelihood(std::span<const double> y, double gamma, double sigma) {
  double logs = 0;
  for (const double value : y) logs += std::log1p(gamma / sigma * value);
  return -static_cast<double>(y.size()) * std::log(sigma) - (1 + 1 / gamma) * logs;
}

// Takes z's fit when it is likelier than `best`.
void take_root(std::span<const double> y, double z, ParetoFit& best) {
  if (z == 0) return;
  const double gamma = grimshaw(y, z).u - 1;
  const double sigma = gamma / z;
  if (!(sigma > 0) || gamma == 0) return;
  const double likelihood = pareto_likelihood(y, gamma, sigma);
  if (likelihood > best.log_likelihood) best = {gamma, sigma, likelihood};
}

double bisect(std::span<const double> y, double lo, double hi) {
  const bool low_sign = grimshaw(y, lo).w() > 0;
  for (int i = 0; i < 200; ++i) {
    const double mid = 0.5 * (lo + hi);
    if (mid == lo || mid == hi) break;
    ((grimshaw(y, mid).w() > 0) == low_sign ? lo : hi) = mid;
  }
  return 0.5 * (lo + hi);
}

// Roots between successive points where w changes its sign.
void take_roots(std::span<const double> y, const std::vector<double>& points, ParetoFit& best) {
  double before = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double w = grimshaw(y, points[i]).w();
    if (i > 0 && (w > 0) != (before > 0)) take_root(y, bisect(y, points[i - 1], points[i]), best);
    before = w;
  }
}

// Ten points (eleven when the steps round that way) inside (lo, hi), then moved together to where the sum of w^2 is
// least.
std::vector<double> reference_roots(std::span<const double> y, double lo, double hi) {
  constexpr int kPoints = 10;
  const double step = (hi - lo) / (kPoints + 1);
  std::vector<double> z;
  if (!(step > 0) || !std::isfinite(step)) return z;
  const auto count = static_cast<std::size_t>(std::ceil((hi - (lo + step)) / step));
  // As numpy's arange fills: start + i * delta, delta from the first two.
  const double start = lo + step, delta = (lo + step + step) - start;
  for (std::size_t i = 0; i < count; ++i) z.push_back(start + static_cast<double>(i) * delta);
  minimise_in_box(
      [&](const std::vector<double>& at, std::vector<double>& gradient) {
        double sum = 0;
        for (std::size_t i = 0; i < at.size(); ++i) {
          const auto g = grimshaw(y, at[i]);
          sum += g.w() * g.w();
          gradient[i] = 2 * g.w() * g.slope;
        }
        return sum;
      },
      lo, hi, z);
  return z;
}

}  // namespace

ParetoFit fit_pareto(std::span<const double> excesses) {
  const double average = mean(excesses), largest = excesses.back(), least = excesses.front();
  const auto n = static_cast<double>(excesses.size());
  ParetoFit best{0, average, -n * (1 + std::log(average))};
  // Left of zero up to the pole at -1 / largest, right of it up to Grimshaw's bound 2 (mean - least) / least^2; both
  // ends and the neighbourhood of zero are looked at on logarithmic grids, as roots lie at any scale; closer to zero w
  // is rounding.
  constexpr int kSteps = 400;
  const double pole = 1 / largest, tiny = 1e-6 / average;
  const double bound = std::max(2 * (average - least) / (least * least), 1e3 * tiny);
  std::vector<double> left, right;
  for (int i = 0; i <= kSteps; ++i) {  // from the pole inwards
    const double closeness = std::pow(10.0, -12.0 + 11.7 * i / kSteps);
    left.push_back(-pole * (1 - closeness));
  }
  for (int i = 0; i <= kSteps; ++i)
    left.push_back(-0.5 * pole * std::pow(tiny / (0.5 * pole), static_cast<double>(i) / kSteps));
  std::sort(left.begin(), left.end());
  for (int i = 0; i <= kSteps; ++i) right.push_back(tiny * std::pow(bound / tiny, static_cast<double>(i) / kSteps));
  take_roots(excesses, left, best);
  take_roots(excesses, right, best);
  return best;
}

ParetoFit fit_pareto_as_reference(std::span<const double> excesses) {
  const double average = mean(excesses), largest = excesses.back(), least = excesses.front();
  const auto n = static_cast<double>(excesses.size());
  ParetoFit best{0, average, n * (1 + std::log(average))};  // the sign is the reference's
  double gap = 1e-8;
  const double pole = -1 / largest;
  if (std::abs(pole) < 2 * gap) gap = std::abs(pole) / 10;
  for (const double z : reference_roots(excesses, pole + gap, -gap)) take_root(excesses, z, best);
  const double right = 2 * (average - least) / (average * least);
  for (const double z : reference_roots(excesses, right, 2 * (average - least) / (least * least)))
    take_root(excesses, z, best);
  return best;
}

}  // namespace anomctl
