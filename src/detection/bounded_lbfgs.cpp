#include "detection/bounded_lbfgs.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <numeric>

#include "anomctl/core/matrix.h"
#include "detection/line_search.h"

namespace anomctl {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

Vector times(const Matrix<double>& m, const Vector& x) {
  Vector out(m.rows());
  for (std::size_t i = 0; i < m.rows(); ++i)
    for (std::size_t j = 0; j < m.cols(); ++j) out[i] += m(i, j) * x[j];
  return out;
}

struct Pair {
  Vector step, change;  // of x, of the gradient
};

// The estimate of the second derivatives that the kept pairs give, (n, n). Few variables: no compact form is needed.
Matrix<double> hessian(const std::deque<Pair>& pairs, std::size_t n) {
  Matrix<double> b(n, n);
  const double scale =
      pairs.empty() ? 1 : dot(pairs.back().change, pairs.back().change) / dot(pairs.back().change, pairs.back().step);
  for (std::size_t i = 0; i < n; ++i) b(i, i) = scale;
  for (const auto& [s, y] : pairs) {
    const Vector bs = times(b, s);
    const double sbs = dot(s, bs), sy = dot(s, y);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) b(i, j) += y[i] * y[j] / sy - bs[i] * bs[j] / sbs;
  }
  return b;
}

// Solves m x = r in place; false when m is singular. m is symmetric and should be positive.
bool solve(Matrix<double> m, Vector& r) {
  const auto n = r.size();
  for (std::size_t i = 0; i < n; ++i) {
    if (!(m(i, i) > 0)) return false;
    for (std::size_t row = i + 1; row < n; ++row) {
      const double factor = m(row, i) / m(i, i);
      for (std::size_t c = i; c < n; ++c) m(row, c) -= factor * m(i, c);
      r[row] -= factor * r[i];
    }
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t c = i + 1; c < n; ++c) r[i] -= m(i, c) * r[c];
    r[i] /= m(i, i);
  }
  return true;
}

struct Box {
  double lo, hi;
};

struct CauchyPoint {
  Vector x;
  std::vector<std::size_t> free;  // variables that met no bound on the way
};

// The first minimum of the quadratic model along the gradient bent at the bounds.
CauchyPoint cauchy_point(const Vector& x, const Vector& g, const Matrix<double>& b, const Box& box) {
  const auto n = x.size();
  constexpr double kNever = std::numeric_limits<double>::infinity();
  Vector meets(n, kNever), direction(n);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = 0; i < n; ++i) {
    if (g[i] != 0) meets[i] = (x[i] - (g[i] < 0 ? box.hi : box.lo)) / g[i];
    direction[i] = meets[i] > 0 ? -g[i] : 0;
  }
  std::sort(order.begin(), order.end(), [&](auto a, auto c) { return meets[a] < meets[c]; });
  Vector moved(n);
  double at = 0;
  std::vector<bool> bound(n, false);
  for (std::size_t next = 0;; ++next) {
    while (next < n && meets[order[next]] <= 0) bound[order[next]] = true, ++next;
    const Vector bd = times(b, direction);
    const double slope = dot(g, direction) + dot(bd, moved), bend = dot(direction, bd);
    const double length = bend > 0 ? std::max(0.0, -slope / bend) : 0;
    if (next == n || at + length < meets[order[next]]) {
      for (std::size_t i = 0; i < n; ++i) moved[i] += length * direction[i];
      break;
    }
    const auto hit = order[next];
    const double step = meets[hit] - at;
    for (std::size_t i = 0; i < n; ++i) moved[i] += step * direction[i];
    moved[hit] = (g[hit] < 0 ? box.hi : box.lo) - x[hit];
    direction[hit] = 0;
    bound[hit] = true;
    at = meets[hit];
  }
  CauchyPoint point;
  for (std::size_t i = 0; i < n; ++i) {
    point.x.push_back(x[i] + moved[i]);
    if (!bound[i]) point.free.push_back(i);
  }
  return point;
}

// The minimum of the model over the free variables, brought back into the box.
Vector subspace_minimum(const CauchyPoint& from, const Vector& x, const Vector& g, const Matrix<double>& b,
                        const Box& box) {
  Vector moved(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) moved[i] = from.x[i] - x[i];
  const Vector slope = times(b, moved);
  const auto m = from.free.size();
  Matrix<double> reduced(m, m);
  Vector d(m);
  for (std::size_t i = 0; i < m; ++i) {
    d[i] = -(g[from.free[i]] + slope[from.free[i]]);
    for (std::size_t j = 0; j < m; ++j) reduced(i, j) = b(from.free[i], from.free[j]);
  }
  if (!solve(reduced, d)) return from.x;
  Vector projected = from.x;
  for (std::size_t i = 0; i < m; ++i)
    projected[from.free[i]] = std::clamp(projected[from.free[i]] + d[i], box.lo, box.hi);
  double descent = 0;
  for (std::size_t i = 0; i < x.size(); ++i) descent += (projected[i] - x[i]) * g[i];
  if (descent <= 0) return projected;
  double share = 1;  // the projection leads uphill: go straight, as far as the box allows
  for (std::size_t i = 0; i < m; ++i) {
    const double start = from.x[from.free[i]];
    if (d[i] != 0) share = std::min(share, ((d[i] > 0 ? box.hi : box.lo) - start) / d[i]);
  }
  Vector straight = from.x;
  for (std::size_t i = 0; i < m; ++i) straight[from.free[i]] += share * d[i];
  return straight;
}

double projected_gradient(const Vector& x, const Vector& g, const Box& box) {
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    largest = std::max(largest, std::abs(std::clamp(x[i] - g[i], box.lo, box.hi) - x[i]));
  return largest;
}

}  // namespace

double minimise_in_box(const Objective& objective, double lo, double hi, Vector& x,
                       const BoundedLbfgsOptions& options) {
  const Box box{lo, hi};
  const auto n = x.size();
  for (double& value : x) value = std::clamp(value, lo, hi);
  Vector g(n);
  double value = objective(x, g);
  std::deque<Pair> pairs;
  for (int iteration = 0; iteration < options.max_iterations; ++iteration) {
    if (projected_gradient(x, g, box) <= options.projected_gradient) break;
    const auto b = hessian(pairs, n);
    const auto cauchy = cauchy_point(x, g, b, box);
    const Vector target = cauchy.free.empty() || pairs.empty() ? cauchy.x : subspace_minimum(cauchy, x, g, b, box);
    Vector direction(n);
    for (std::size_t i = 0; i < n; ++i) direction[i] = target[i] - x[i];
    const double slope = dot(g, direction);
    LineSearchSettings settings;
    settings.max_step = 1;
    if (iteration > 0) {
      settings.max_step = 1e10;
      for (std::size_t i = 0; i < n; ++i)
        if (direction[i] != 0)
          settings.max_step = std::min(settings.max_step, ((direction[i] > 0 ? hi : lo) - x[i]) / direction[i]);
      settings.max_step = std::max(settings.max_step, 1.0);
    }
    Vector at(n), slope_at(n);
    const auto found = slope >= 0
                           ? std::optional<StepValue>()
                           : line_search(
                                 [&](double step) {
                                   for (std::size_t i = 0; i < n; ++i)
                                     at[i] = step == 1 ? target[i] : std::clamp(x[i] + step * direction[i], lo, hi);
                                   const double v = objective(at, slope_at);
                                   return StepValue{step, v, dot(slope_at, direction)};
                                 },
                                 {0, value, slope}, 1, settings);
    if (!found) {
      if (pairs.empty()) break;
      pairs.clear();
      continue;
    }
    Pair pair{Vector(n), Vector(n)};
    for (std::size_t i = 0; i < n; ++i) {
      pair.step[i] = at[i] - x[i];
      pair.change[i] = slope_at[i] - g[i];
    }
    const double before = value;
    x = at;
    g = slope_at;
    value = found->value;
    if (before - value <= options.relative_decrease * std::max({std::abs(before), std::abs(value), 1.0})) break;
    constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
    if (dot(pair.step, pair.change) > kEpsilon * -slope * found->step) {
      pairs.push_back(std::move(pair));
      if (pairs.size() > options.memory) pairs.pop_front();
    }
  }
  return value;
}

}  // namespace anomctl
