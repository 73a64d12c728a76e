#include "commands/train_work/network_voice.h"

#include <algorithm>
#include <vector>

namespace anomctl {

double network_voice(const Bundle& bundle, const HeldOutErrors& errors, const Part& held) {
  PanelScorer scorer(bundle.panel);
  PanelOpinion opinion;
  const std::size_t k = bundle.columns.size();
  std::vector<double> linear(k, 0), network(k, 0);
  double rows = 0;
  for (const RowRange& run : held.runs) {
    scorer.restart();
    for (std::int64_t r = run.first; r <= run.last; ++r) {
      if (!scorer.push(held.values.row(static_cast<std::size_t>(r)), opinion)) continue;
      for (std::size_t i = 0; i < k; ++i) linear[i] += scorer.var_residual(i) * scorer.var_residual(i);
      ++rows;
    }
  }
  if (rows == 0 || errors.actual.rows() == 0) return 0;
  double ratio = 0;
  for (std::size_t i = 0; i < k; ++i) {
    for (std::size_t r = 0; r < errors.actual.rows(); ++r) {
      const double e = static_cast<double>(errors.actual(r, i) - errors.forecast(r, i)) * bundle.scaler.scale(i);
      network[i] += e * e;
    }
    const double floor = bundle.panel->settings.residual_floor * bundle.panel->deviation[i];
    const double least = floor * floor;
    ratio += (network[i] / static_cast<double>(errors.actual.rows()) + least) / (linear[i] / rows + least) /
             static_cast<double>(k);
  }
  return std::clamp(1 - ratio, 0.0, 1.0);
}

}  // namespace anomctl
