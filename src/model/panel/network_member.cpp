#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "anomctl/model/panel.h"
#include "model/panel/covariance.h"

namespace anomctl {
namespace {

constexpr double kLeastVoice = 0.02;  // below this the network is not kept: it would cost time and say nothing

// Each row as the network sees it, and what the linear relation to the other sensors leaves over of it.
struct LeftOver {
  Matrix<float> inputs, residual;    // (n, k)
  std::vector<std::int64_t> start;   // n: first row of each row's run
  std::vector<std::int64_t> usable;  // ascending
};

// Fits `linear` on all usable rows but the last `holdout` share.
LeftOver left_over(const PanelModel& panel, const Matrix<double>& rows, std::span<const RowRange> runs,
                   std::span<const std::uint8_t> use, std::int64_t seen_rows, OthersRidge& linear) {
  const std::size_t n = rows.rows(), k = rows.cols();
  LeftOver out{Matrix<float>(n, k), Matrix<float>(n, k), std::vector<std::int64_t>(n, 0), {}};
  Matrix<double> z(n, k);
  PanelScorer scorer(std::make_shared<PanelModel>(panel));
  PanelOpinion opinion;
  for (const RowRange& run : runs) {
    scorer.restart();
    std::int64_t first = run.first;
    for (std::int64_t r = run.first; r <= run.last; ++r) {
      const auto at = static_cast<std::size_t>(r);
      if (!use.empty() && use[at] == 0) {
        scorer.restart();
        first = r + 1;
        continue;
      }
      out.start[at] = first;
      const bool judged = scorer.push(rows.row(at), opinion);
      for (std::size_t i = 0; i < k; ++i) out.inputs(at, i) = static_cast<float>(scorer.newest_input()[i]);
      std::copy_n(scorer.parts().z.begin(), k, z.row(at).begin());
      if (judged && r - first + 1 >= seen_rows) out.usable.push_back(r);
    }
  }
  // One line a usable row: what the regression sees, and what it is to tell.
  const std::size_t usable = out.usable.size();
  Matrix<double> inputs(usable, static_cast<std::size_t>(seen_rows) * k), targets(usable, k);
  std::vector<float> x(inputs.cols());
  for (std::size_t i = 0; i < usable; ++i) {
    const auto at = static_cast<std::size_t>(out.usable[i]);
    gather_relation_input(out.inputs, out.usable[i], out.start[at], seen_rows, x);
    std::copy(x.begin(), x.end(), inputs.row(i).begin());
    std::copy_n(z.row(at).begin(), k, targets.row(i).begin());
  }
  const auto cut = static_cast<std::size_t>(static_cast<double>(usable) * (1 - panel.settings.holdout));
  linear = fit_others_ridge(inputs, targets, cut, panel.settings.ridge, panel.settings.residual_floor);
  std::vector<double> left(k);
  for (std::size_t i = 0; i < usable; ++i) {
    linear.left_over(inputs.row(i), targets.row(i), left);
    std::transform(left.begin(), left.end(), out.residual.row(static_cast<std::size_t>(out.usable[i])).begin(),
                   [](double v) { return static_cast<float>(v); });
  }
  return out;
}

}  // namespace

RelationNetwork fit_network_member(PanelModel& panel, const Matrix<double>& rows, std::span<const RowRange> runs,
                                   std::span<const std::uint8_t> use, const RelationSettings& settings) {
  panel.take_network(nullptr);
  if (settings.epochs == 0) return {};
  const double holdout = panel.settings.holdout;
  NetworkMember member;
  const LeftOver data = left_over(panel, rows, runs, use, settings.rows, member.linear);
  member.network = fit_relation(data.inputs, data.residual, data.start, data.usable, holdout, settings);
  if (member.network.voice < kLeastVoice) return member.network;

  const auto cut = static_cast<std::size_t>(static_cast<double>(data.usable.size()) * (1 - holdout));
  const std::size_t k = panel.sensors();
  const auto& p = member.network.parameters;
  RelationWorkspace<float> work;
  prepare_relation(p, work);
  std::vector<float> x(static_cast<std::size_t>(p.settings.rows) * k), out(k);
  RowMajor corrected(static_cast<Eigen::Index>(data.usable.size() - cut), static_cast<Eigen::Index>(k));
  for (std::size_t n = cut; n < data.usable.size(); ++n) {
    const auto r = static_cast<std::size_t>(data.usable[n]);
    gather_relation_input(data.inputs, data.usable[n], data.start[r], p.settings.rows, x);
    relation_forward<float>(p, work, x, out);
    for (std::size_t i = 0; i < k; ++i) {
      corrected(static_cast<Eigen::Index>(n - cut), static_cast<Eigen::Index>(i)) =
          static_cast<double>(data.residual(r, i)) - member.network.gate[i] * static_cast<double>(out[i]);
    }
  }
  member.weight = member.network.voice;
  member.precision = shrunk_precision(corrected);
  const Eigen::Map<const RowMajor> precision(member.precision.data(), static_cast<Eigen::Index>(k),
                                             static_cast<Eigen::Index>(k));
  std::vector<double> scores;
  double smoothed = 0;
  for (Eigen::Index n = 0; n < corrected.rows(); ++n) {
    const double score = std::log1p(std::sqrt(std::max(0.0, (corrected.row(n) * precision).dot(corrected.row(n)))));
    const auto row = static_cast<std::size_t>(n) + cut;
    const bool follows = n > 0 && data.usable[row] == data.usable[row - 1] + 1;
    smoothed = follows ? smoothed + panel.settings.var_lambda * (score - smoothed) : score;
    scores.push_back(smoothed);
  }
  member.tail = TailCurve::fit(std::move(scores));
  RelationNetwork trained = member.network;
  panel.take_network(std::make_shared<const NetworkMember>(std::move(member)));
  return trained;
}

std::string describe_voice(const RelationNetwork& network) {
  if (network.voice < kLeastVoice) return "the relation network finds nothing beyond linear relations: it stays silent";
  return fmt::format("the relation network explains {:.0f} % of what linear relations leave over", 100 * network.voice);
}

}  // namespace anomctl
