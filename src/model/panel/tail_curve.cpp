#include <algorithm>
#include <cmath>

#include "anomctl/model/panel.h"

namespace anomctl {
namespace {
constexpr double kKneeTail = 0.02;
constexpr std::size_t kMostPoints = 1024;
}  // namespace

TailCurve TailCurve::fit(std::vector<double> scores) {
  TailCurve curve;
  if (scores.empty()) scores.push_back(0);
  std::sort(scores.begin(), scores.end());
  const double n = static_cast<double>(scores.size());
  // Linear interpolation between order statistics.
  const double position = (1 - kKneeTail) * (n - 1);
  const auto below = static_cast<std::size_t>(position);
  const double fraction = position - static_cast<double>(below);
  const std::size_t above = std::min(below + 1, scores.size() - 1);
  curve.knee = scores[below] + fraction * (scores[above] - scores[below]);
  double sum = 0, count = 0;
  for (const double s : scores) {
    if (s > curve.knee) sum += s - curve.knee, ++count;
  }
  const double spread = std::max(std::fabs(curve.knee) * 1e-3, 1e-6);
  curve.mean_excess = count > 0 ? std::max(sum / count, spread) : spread;
  if (scores.size() <= kMostPoints) {
    curve.sample = std::move(scores);
  } else {
    for (std::size_t i = 0; i < kMostPoints; ++i) {
      const double at = static_cast<double>(i) * (n - 1) / (kMostPoints - 1);
      curve.sample.push_back(scores[static_cast<std::size_t>(at)]);
    }
  }
  return curve;
}

std::optional<double> TailCurve::usual() const {
  return sample.empty() ? std::nullopt : std::optional(sample[sample.size() / 2]);
}

double TailCurve::surprise(double x) const {
  if (x > knee) return -std::log10(kKneeTail) + (x - knee) / mean_excess / std::log(10.0);
  const double n = static_cast<double>(sample.size());
  const auto at_least = static_cast<double>(sample.end() - std::lower_bound(sample.begin(), sample.end(), x));
  return -std::log10(std::min(1.0, (at_least + 0.5) / (n + 1)));
}

}  // namespace anomctl
