// What windows tell by themselves, for a server.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/detection/attribution.h"
#include "anomctl/detection/replay.h"
#include "detection/intake.h"

namespace anomctl {
namespace {

struct Shape {
  std::size_t w, k;
  std::size_t rows() const { return w + 1; }
};

std::span<const std::uint8_t> missing_of(const Windows& windows, std::size_t i, std::size_t k) {
  return windows.missing.empty() ? windows.missing : windows.missing.subspan(i * k, k);
}

// The network's part: score before smoothing over rows, each sensor's part in it, what was expected of it.
void judge_by_network(const Bundle& bundle, const WindowModel& model, const Windows& windows, Shape shape,
                      WindowScores& scores) {
  const std::size_t n = scores.score.size(), w = shape.w, k = shape.k;
  const std::vector<std::size_t> targets = bundle.targets();
  std::vector<float> scaled(n * shape.rows() * k);
  for (std::size_t r = 0; r < n * shape.rows(); ++r)
    scale_row(bundle.scaler, windows.values.subspan(r * k, k), std::span(scaled).subspan(r * k, k));
  Expectation expectation;
  model.expect_judged(scaled, n, expectation);

  std::vector<float> actual(targets.size());
  std::vector<double> parts(targets.size());
  std::vector<std::uint8_t> missing;
  for (std::size_t i = 0; i < n; ++i) {
    missing.clear();
    for (std::size_t t = 0; t < targets.size() && !windows.missing.empty(); ++t)
      missing.push_back(missing_of(windows, i, k)[targets[t]]);
    const std::size_t last = i * shape.rows() + w;
    for (std::size_t t = 0; t < targets.size(); ++t) actual[t] = scaled[last * k + targets[t]];
    const auto forecast = expectation.forecast.row(i);
    const auto reconstruction = expectation.reconstruction.row(i);
    contributions(bundle.score, forecast, reconstruction, actual, missing, parts);
    scores.score[i] = total_score(bundle.score, parts);
    const std::vector<double> expected =
        expected_values(bundle.score.gamma, forecast, reconstruction, bundle.scaler, targets);
    for (std::size_t t = 0; t < targets.size(); ++t) {
      scores.contribution(i, targets[t]) = std::isnan(parts[t]) ? 0 : parts[t];
      if (std::isfinite(expected[t])) scores.expected(i, targets[t]) = expected[t];
    }
  }
}

// The panel reads the window's rows as a run of their own; its opinion of the last one counts, fused with the network's
// score as the detector does it.
void judge_by_panel(const Bundle& bundle, const Windows& windows, Shape shape, WindowScores& scores) {
  PanelScorer panel(bundle.panel);
  PanelOpinion opinion;
  scores.members = Matrix<double>(windows.n, kMemberParts * shape.k);
  const auto keep = [&](std::size_t i, MemberPart part, std::span<const double> values) {
    std::copy(values.begin(), values.end(),
              scores.members.row(i).subspan(static_cast<std::size_t>(part) * shape.k).begin());
  };
  for (std::size_t i = 0; i < scores.score.size(); ++i) {
    panel.restart();
    bool judged = false;
    for (std::size_t r = 0; r < shape.rows(); ++r)
      judged = panel.push(windows.values.subspan((i * shape.rows() + r) * shape.k, shape.k),
                          r == shape.w ? missing_of(windows, i, shape.k) : std::span<const std::uint8_t>{}, opinion);
    if (!judged)
      throw input_error(fmt::format("windows of {} rows are too short for this bundle: its panel warms up for {}",
                                    shape.rows(), bundle.panel->warm_up));
    keep(i, MemberPart::z, panel.parts().z);
    keep(i, MemberPart::relation, panel.parts().relation);
    keep(i, MemberPart::var, panel.parts().var);
    keep(i, MemberPart::network, panel.parts().network);
    if (bundle.runs_network()) keep(i, MemberPart::contribution, scores.contribution.row(i));
    double fused = opinion.score;
    if (bundle.runs_network()) {
      const double voice = bundle.network_voice;
      fused = (1 - voice) * fused + voice * bundle.network_tail.surprise(scores.score[i]);
    }
    scores.score[i] = fused;
    for (std::size_t c = 0; c < shape.k; ++c) {
      scores.contribution(i, c) = fused * opinion.share[c];
      scores.expected(i, c) = opinion.expected[c];
    }
  }
}

}  // namespace

WindowScores score_windows(const Bundle& bundle, const WindowModel& model, const Windows& windows) {
  const std::size_t n = windows.n;
  const Shape shape{static_cast<std::size_t>(bundle.settings.window_size), bundle.columns.size()};
  if (windows.values.size() != n * shape.rows() * shape.k) {
    throw input_error(
        fmt::format("{} values do not make {} windows of ({}, {})", windows.values.size(), n, shape.rows(), shape.k));
  }
  if (!windows.missing.empty() && windows.missing.size() != n * shape.k)
    throw input_error(fmt::format("{} flags of missing values for {} sensors", windows.missing.size(), n * shape.k));
  for (const double v : windows.values) {
    if (!std::isfinite(v)) throw input_error("a window holds a value that is not finite");
  }
  WindowScores scores{std::vector<double>(n), Matrix<double>(n, shape.k), Matrix<double>(n, shape.k),
                      Matrix<double>(n, 0)};
  for (std::size_t i = 0; i < n; ++i)
    std::copy_n(windows.values.begin() + static_cast<std::ptrdiff_t>((i * shape.rows() + shape.w) * shape.k), shape.k,
                scores.expected.row(i).begin());
  if (bundle.runs_network()) judge_by_network(bundle, model, windows, shape, scores);
  if (bundle.panel != nullptr) judge_by_panel(bundle, windows, shape, scores);
  return scores;
}

void self_test(const Bundle& bundle, const WindowModel& model) {
  const auto rows = static_cast<std::size_t>(bundle.settings.window_size) + 1;
  const std::size_t k = bundle.columns.size();
  std::vector<double> window(rows * k);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < k; ++c) window[r * k + c] = bundle.scaler.unscale_value(c, 0.5);
  const WindowScores scores = score_windows(bundle, model, {1, window});
  if (!std::isfinite(scores.score.at(0)))
    throw failed("the self-test of model " + bundle.name + " gave no finite score");
}

}  // namespace anomctl
