#include <fmt/core.h>

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "anomctl/core/error.h"
#include "anomctl/model/panel.h"
#include "model/panel/column_moments.h"
#include "model/panel/covariance.h"

namespace anomctl {
namespace {

// The rows that the fit may use, as z-scores with gaps filled, and for each the rows before it.
struct Prepared {
  RowMajor z;                        // (n, k)
  std::vector<std::int64_t> usable;  // rows with `lags` usable predecessors in their run
};

Prepared prepare(const PanelModel& m, const Matrix<double>& rows, std::span<const RowRange> runs,
                 std::span<const std::uint8_t> use) {
  const auto k = static_cast<Eigen::Index>(rows.cols());
  Prepared p;
  p.z.resize(static_cast<Eigen::Index>(rows.rows()), k);
  for (const RowRange& run : runs) {
    std::int64_t good = 0;
    for (std::int64_t r = run.first; r <= run.last; ++r) {
      const auto row = rows.row(static_cast<std::size_t>(r));
      for (Eigen::Index i = 0; i < k; ++i) {
        const auto c = static_cast<std::size_t>(i);
        const double held = r > run.first ? p.z(r - 1, i) : 0;
        p.z(r, i) = std::isfinite(row[c]) ? (row[c] - m.mean[c]) / m.deviation[c] : held;
      }
      good = use.empty() || use[static_cast<std::size_t>(r)] != 0 ? good + 1 : 0;
      if (good > m.settings.lags) p.usable.push_back(r);
    }
  }
  return p;
}

// One row of regression inputs: the clipped past, newest first, then 1.
void inputs_of(const PanelModel& m, const Prepared& p, std::int64_t row, Eigen::VectorXd& x) {
  const Eigen::Index k = p.z.cols();
  for (Eigen::Index lag = 1; lag <= m.settings.lags; ++lag) {
    x.segment((lag - 1) * k, k) = p.z.row(row - lag).cwiseMax(-m.settings.clip).cwiseMin(m.settings.clip).transpose();
  }
  x(x.size() - 1) = 1;
}

// Ridge regression of the rows `usable[0, count)` on their past (normal equations, LDLT).
void fit_var(PanelModel& m, const Prepared& p, std::size_t count) {
  const Eigen::Index k = p.z.cols();
  const Eigen::Index d = k * m.settings.lags + 1;
  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(d, d);
  Eigen::MatrixXd target = Eigen::MatrixXd::Zero(d, k);
  Eigen::VectorXd x(d);
  for (std::size_t i = 0; i < count; ++i) {
    inputs_of(m, p, p.usable[i], x);
    gram.selfadjointView<Eigen::Lower>().rankUpdate(x);
    target.noalias() += x * p.z.row(p.usable[i]);
  }
  const double penalty = std::max(m.settings.ridge * static_cast<double>(count), 1e-9);
  for (Eigen::Index i = 0; i + 1 < d; ++i) gram(i, i) += penalty;
  gram(d - 1, d - 1) += 1e-9;
  const RowMajor solution = gram.selfadjointView<Eigen::Lower>().ldlt().solve(target);
  m.coefficients = Matrix<double>(static_cast<std::size_t>(d), static_cast<std::size_t>(k));
  std::copy_n(solution.data(), solution.size(), m.coefficients.data());
}

// Residuals of usable rows [first, usable.size()), unscaled.
RowMajor residuals_of(const PanelModel& m, const Prepared& p, std::size_t first) {
  const Eigen::Index k = p.z.cols();
  const Eigen::Map<const RowMajor> weights(m.coefficients.data(), static_cast<Eigen::Index>(m.coefficients.rows()), k);
  RowMajor out(static_cast<Eigen::Index>(p.usable.size() - first), k);
  Eigen::VectorXd x(weights.rows());
  for (std::size_t i = first; i < p.usable.size(); ++i) {
    inputs_of(m, p, p.usable[i], x);
    out.row(static_cast<Eigen::Index>(i - first)) = p.z.row(p.usable[i]) - x.transpose() * weights;
  }
  return out;
}

// VAR on the first `count` usable rows; residual scale from all of them; precision from the rows [held_from, end).
void fit_core(PanelModel& m, const Prepared& p, std::size_t count, std::size_t held_from) {
  const std::size_t k = m.sensors();
  fit_var(m, p, count);
  const RowMajor all = residuals_of(m, p, 0);
  for (std::size_t i = 0; i < k; ++i) {
    const auto column = all.col(static_cast<Eigen::Index>(i));
    const double variance = (column.array() - column.mean()).square().mean();
    m.residual_scale[i] = std::max(std::sqrt(variance), m.settings.residual_floor);
  }
  RowMajor held = all.bottomRows(static_cast<Eigen::Index>(p.usable.size() - held_from));
  for (std::size_t i = 0; i < k; ++i) held.col(static_cast<Eigen::Index>(i)) /= m.residual_scale[i];
  m.precision = shrunk_precision(held);
}

// What the members say of the rows from `first` on.
std::array<std::vector<double>, kPanelMembers> member_scores(const PanelModel& m, const Matrix<double>& rows,
                                                             std::span<const RowRange> runs,
                                                             std::span<const std::uint8_t> use, std::int64_t first) {
  std::array<std::vector<double>, kPanelMembers> out;
  PanelScorer scorer(std::make_shared<PanelModel>(m));
  PanelOpinion opinion;
  for (const RowRange& run : runs) {
    scorer.restart();
    for (std::int64_t r = run.first; r <= run.last; ++r) {
      if (!use.empty() && use[static_cast<std::size_t>(r)] == 0) {
        scorer.restart();
      } else if (scorer.push(rows.row(static_cast<std::size_t>(r)), opinion) && r >= first) {
        for (std::size_t i = 0; i < kPanelMembers; ++i) out[i].push_back(opinion.raw[i]);
      }
    }
  }
  return out;
}

}  // namespace

PanelModel fit_panel(const Matrix<double>& rows, std::span<const RowRange> runs, std::span<const std::uint8_t> use,
                     const PanelSettings& settings) {
  PanelModel m;
  m.take_settings(settings);
  m.residual_scale.assign(rows.cols(), 0);
  ColumnMoments moments = column_moments(rows, use);
  m.mean = std::move(moments.mean);
  m.deviation = std::move(moments.deviation);
  const Prepared p = prepare(m, rows, runs, use);
  if (p.usable.size() < 30) {
    throw input_error(
        fmt::format("the panel needs 30 normal rows that follow on others of their run, found {}", p.usable.size()));
  }
  const auto cut = static_cast<std::size_t>(static_cast<double>(p.usable.size()) * (1 - settings.holdout));

  // First without the last rows: their scores calibrate the members.
  fit_core(m, p, cut, cut);
  std::array<std::vector<double>, kPanelMembers> scores = member_scores(m, rows, runs, use, p.usable[cut]);
  for (std::size_t i = 0; i < kPanelMembers; ++i) m.tails[i] = TailCurve::fit(std::move(scores[i]));
  // Then on all rows; the covariance stays that of the last ones. The last rows may show one state of many: what all
  // rows score calibrates too.
  fit_core(m, p, p.usable.size(), cut);
  scores = member_scores(m, rows, runs, use, 0);
  for (std::size_t i = 0; i < kPanelMembers; ++i) m.all_tails[i] = TailCurve::fit(std::move(scores[i]));
  return m;
}

}  // namespace anomctl
