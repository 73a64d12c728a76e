#include "anomctl/model/linear_part.h"

#include <fmt/core.h>

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "model/gate.h"

namespace anomctl {
namespace {

constexpr double kRidge = 0.01;  // penalty a row, of standardised inputs: as the panel's
constexpr double kClip = 5;      // standard deviations

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

std::vector<std::size_t> targets_of(const MtadGatSettings& s) {
  std::vector<std::size_t> targets;
  for (const std::int64_t t : s.target_dims) targets.push_back(size(t));
  for (std::size_t i = targets.size(); i < size(s.out_dim > 0 ? s.out_dim : s.n_features); ++i) targets.push_back(i);
  return targets;
}

struct Scale {
  Eigen::VectorXd mean, deviation;  // k
};

Scale scale_of(const Matrix<float>& rows, std::span<const std::int64_t> starts, std::int64_t window) {
  const auto k = static_cast<Eigen::Index>(rows.cols());
  Scale scale{Eigen::VectorXd::Zero(k), Eigen::VectorXd::Zero(k)};
  const auto row = [&](std::int64_t start) {
    return Eigen::Map<const Eigen::VectorXf>(rows.row(size(start + window)).data(), k).cast<double>();
  };
  const auto n = static_cast<double>(starts.size());
  for (const std::int64_t start : starts) scale.mean += row(start) / n;
  for (const std::int64_t start : starts) scale.deviation += (row(start) - scale.mean).array().square().matrix() / n;
  scale.deviation = scale.deviation.cwiseSqrt().unaryExpr([](double d) { return d > 1e-6 ? d : 1.0; });
  return scale;
}

Tensor tensor(std::vector<std::int64_t> shape) {
  Tensor t{std::move(shape), {}};
  t.values.assign(size(t.size()), 0.0F);
  return t;
}

std::string last_layer(const MtadGatSettings& s) { return fmt::format("forecasting_model.layers.{}", s.fc_n_layers); }

}  // namespace

void fit_linear_part(const MtadGatSettings& settings, const Matrix<float>& rows, std::span<const std::int64_t> starts,
                     TensorMap& weights) {
  const auto k = static_cast<Eigen::Index>(rows.cols());
  const std::int64_t w = settings.window_size, p = settings.linear_rows;
  const std::vector<std::size_t> targets = targets_of(settings);
  const auto o = static_cast<Eigen::Index>(targets.size());
  const Scale scale = scale_of(rows, starts, w);
  const Eigen::Index d = p * k;
  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(d + 1, d + 1), cross = Eigen::MatrixXd::Zero(d + 1, o);
  Eigen::VectorXd x(d + 1), y(o);
  x(d) = 1;
  const auto z = [&](std::int64_t row) -> Eigen::VectorXd {
    const Eigen::Map<const Eigen::VectorXf> values(rows.row(size(row)).data(), k);
    return (values.cast<double>() - scale.mean).cwiseQuotient(scale.deviation);
  };
  for (const std::int64_t start : starts) {
    for (std::int64_t t = 0; t < p; ++t) x.segment(t * k, k) = z(start + w - p + t).cwiseMax(-kClip).cwiseMin(kClip);
    const Eigen::VectorXd target = z(start + w);
    for (Eigen::Index i = 0; i < o; ++i) y(i) = target(static_cast<Eigen::Index>(targets[size(i)]));
    gram.selfadjointView<Eigen::Lower>().rankUpdate(x);
    cross.noalias() += x * y.transpose();
  }
  gram.diagonal().head(d).array() += kRidge * static_cast<double>(starts.size());
  gram(d, d) += 1e-9;
  const Eigen::MatrixXd solution = gram.selfadjointView<Eigen::Lower>().ldlt().solve(cross);

  Tensor low = tensor({k}), high = tensor({k}), weight = tensor({o, d}), bias = tensor({o});
  for (Eigen::Index j = 0; j < k; ++j) {
    low.values[size(j)] = static_cast<float>(scale.mean(j) - kClip * scale.deviation(j));
    high.values[size(j)] = static_cast<float>(scale.mean(j) + kClip * scale.deviation(j));
  }
  for (Eigen::Index i = 0; i < o; ++i) {
    const auto target = static_cast<Eigen::Index>(targets[size(i)]);
    double shift = scale.mean(target) + solution(d, i) * scale.deviation(target);
    for (Eigen::Index c = 0; c < d; ++c) {
      const double slope = solution(c, i) * scale.deviation(target) / scale.deviation(c % k);
      shift -= slope * scale.mean(c % k);
      weight.values[size(i * d + c)] = static_cast<float>(slope);
    }
    bias.values[size(i)] = static_cast<float>(shift);
  }
  weights["linear_part.low"] = std::move(low);
  weights["linear_part.high"] = std::move(high);
  weights["linear_part.weight"] = std::move(weight);
  weights["linear_part.bias"] = std::move(bias);
}

TensorMap linear_part_alone(const MtadGatSettings& settings, TensorMap weights) {
  for (const char* part : {".weight", ".bias"}) std::ranges::fill(weights.at(last_layer(settings) + part).values, 0.0F);
  return weights;
}

double gate_correction(const MtadGatSettings& settings, const Matrix<float>& corrected, const Matrix<float>& linear,
                       const Matrix<float>& actual, TensorMap& weights) {
  Tensor& weight = weights.at(last_layer(settings) + ".weight");
  Tensor& bias = weights.at(last_layer(settings) + ".bias");
  const std::size_t n = actual.rows(), o = actual.cols(), from = size(weight.shape[1]);
  double left = 0, judged = 0;
  for (std::size_t i = 0; i < o; ++i) {
    const auto pair = [&](std::size_t r) {
      return std::pair<double, double>(corrected(r, i) - linear(r, i), actual(r, i) - linear(r, i));
    };
    const double gate = held_out_gate(n, pair);
    double before = 0, after = 0;
    for (std::size_t r = 0; r < n; ++r) {
      const auto [said, wanted] = pair(r);
      before += wanted * wanted;
      after += (wanted - gate * said) * (wanted - gate * said);
    }
    const auto scaled = [&](float& v) { v = static_cast<float>(gate * static_cast<double>(v)); };
    std::ranges::for_each(std::span(weight.values).subspan(i * from, from), scaled);
    scaled(bias.values[i]);
    if (before <= 0) continue;
    left += after / before;
    ++judged;
  }
  return judged > 0 ? 1 - left / judged : 0;
}

}  // namespace anomctl
