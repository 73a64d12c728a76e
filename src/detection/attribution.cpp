#include "anomctl/detection/attribution.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace anomctl {
namespace {

// Both numbers with as many decimals as their difference needs: 61.2 and 61.9, 0.00123 and 0.00119, 1480 and 1510.
int decimals_for(double a, double b) {
  const double difference = std::abs(a - b);
  if (!(difference > 0)) return 3;
  return std::clamp(1 - static_cast<int>(std::floor(std::log10(difference))), 0, 9);
}

std::string number(double value, int decimals) {
  if (std::abs(value) >= 1e9 || (value != 0 && std::abs(value) < 1e-6)) return fmt::format("{:.3g}", value);
  return fmt::format("{:.{}f}", value, decimals);
}

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }

}  // namespace

std::vector<double> expected_values(double gamma, std::span<const float> forecast,
                                    std::span<const float> reconstruction, const Scaler& scaler,
                                    std::span<const std::size_t> targets) {
  std::vector<double> expected(targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const double scaled =
        (static_cast<double>(forecast[i]) + gamma * static_cast<double>(reconstruction[i])) / (1 + gamma);
    expected[i] = scaler.unscale_value(targets[i], scaled);
  }
  return expected;
}

std::vector<Cause> strongest_causes(const AttributionInput& input, const std::vector<Column>& columns,
                                    std::size_t count) {
  double sum = 0;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < input.targets.size(); ++i) {
    const double part = input.contribution[i];
    if (!(part > 0) || !std::isfinite(part)) continue;
    sum += part;
    if (std::isfinite(input.values[input.targets[i]])) order.push_back(i);
  }
  count = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      return input.contribution[a] > input.contribution[b] ||
                             (input.contribution[a] == input.contribution[b] && a < b);
                    });
  std::vector<Cause> causes;
  for (std::size_t n = 0; n < count; ++n) {
    const std::size_t i = order[n];
    const Column& column = columns[input.targets[i]];
    causes.push_back(
        {column.name, input.contribution[i] / sum, input.expected[i], input.values[input.targets[i]], column.unit});
  }
  return causes;
}

std::string describe_causes(const std::vector<Cause>& causes) {
  if (causes.empty()) return {};
  const Cause& first = causes.front();
  const int decimals = decimals_for(first.actual, first.expected);
  std::string text =
      fmt::format("{} at {}{}{} where {} was expected ({} of the score)", first.sensor, number(first.actual, decimals),
                  first.unit.empty() ? "" : " ", first.unit, number(first.expected, decimals), percent(first.share));
  for (std::size_t i = 1; i < causes.size(); ++i) {
    if (causes[i].share < 0.05) break;
    text += fmt::format("{} {} ({})", i == 1 ? ", with" : " and", causes[i].sensor, percent(causes[i].share));
  }
  return text;
}

}  // namespace anomctl
