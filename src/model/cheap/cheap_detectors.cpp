#include "anomctl/model/cheap_detectors.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "anomctl/core/error.h"
#include "model/cheap/parts.h"
#include "model/panel/column_moments.h"

namespace anomctl {
namespace {

constexpr std::size_t kLeastRows = 30;
constexpr std::size_t kVarianceRows = 16;
constexpr double kChart = 0.1;  // weight of the newest row

double largest(std::span<const double> z) {
  double most = 0;
  for (const double v : z) most = std::max(most, std::fabs(v));
  return most;
}

class RandomScore : public CheapDetector {
 public:
  explicit RandomScore(std::uint64_t seed) : random_(seed) {}
  void restart() override {}
  std::optional<double> push(std::span<const double>) override {
    return static_cast<double>(random_() >> 11) * 0x1p-53;
  }

 private:
  std::mt19937_64 random_;
};

class ZScore : public CheapDetector {
 public:
  void restart() override {}
  std::optional<double> push(std::span<const double> z) override { return largest(z); }
};

// How far the row is from "as the last one", in deviations of such steps on train.
class LastValue : public CheapDetector {
 public:
  explicit LastValue(const CheapTraining& training) : scale_(training.z.cols(), 0) {
    std::size_t steps = 0, next = 0;
    for (std::size_t r = 0; r < training.z.rows(); ++r) {
      if (next < training.start.size() && training.start[next] == r) {
        ++next;
        continue;
      }
      ++steps;
      for (std::size_t i = 0; i < scale_.size(); ++i) scale_[i] += std::pow(training.z(r, i) - training.z(r - 1, i), 2);
    }
    for (double& s : scale_) s = std::max(std::sqrt(s / std::max(1.0, static_cast<double>(steps))), 0.01);
  }
  void restart() override { last_.clear(); }
  std::optional<double> push(std::span<const double> z) override {
    double most = 0;
    for (std::size_t i = 0; i < last_.size(); ++i) most = std::max(most, std::fabs(z[i] - last_[i]) / scale_[i]);
    const bool known = !last_.empty();
    last_.assign(z.begin(), z.end());
    return known ? std::optional(most) : std::nullopt;
  }

 private:
  std::vector<double> scale_, last_;
};

class EwmaChart : public CheapDetector {
 public:
  void restart() override { mean_.clear(); }
  std::optional<double> push(std::span<const double> z) override {
    if (mean_.empty()) mean_.assign(z.size(), 0);
    for (std::size_t i = 0; i < z.size(); ++i) mean_[i] += kChart * (z[i] - mean_[i]);
    return largest(mean_) / std::sqrt(kChart / (2 - kChart));
  }

 private:
  std::vector<double> mean_;
};

// The sensor whose last rows vary most or least beside train, in powers of e.
class MovingVariance : public CheapDetector {
 public:
  explicit MovingVariance(const CheapTraining& training) : usual_(training.z.cols(), 0) {
    std::size_t n = 0, next = 0;
    for (std::size_t r = 0; r < training.z.rows(); ++r) {
      if (next < training.start.size() && training.start[next] == r) {
        restart();
        ++next;
      }
      if (!take(training.z.row(r))) continue;
      ++n;
      for (std::size_t i = 0; i < usual_.size(); ++i) usual_[i] += log_variance(i);
    }
    for (double& u : usual_) u /= std::max(1.0, static_cast<double>(n));
  }
  void restart() override { past_.clear(); }
  std::optional<double> push(std::span<const double> z) override {
    if (!take(z)) return std::nullopt;
    double most = 0;
    for (std::size_t i = 0; i < usual_.size(); ++i) most = std::max(most, std::fabs(log_variance(i) - usual_[i]));
    return most;
  }

 private:
  bool take(std::span<const double> z) {
    past_.insert(past_.end(), z.begin(), z.end());
    if (past_.size() > kVarianceRows * z.size())
      past_.erase(past_.begin(), past_.begin() + static_cast<std::ptrdiff_t>(z.size()));
    return past_.size() == kVarianceRows * z.size();
  }
  double log_variance(std::size_t sensor) const {
    double sum = 0, square = 0;
    for (std::size_t r = 0; r < kVarianceRows; ++r) {
      const double v = past_[r * usual_.size() + sensor];
      sum += v;
      square += v * v;
    }
    const double mean = sum / kVarianceRows;
    return std::log(std::max(square / kVarianceRows - mean * mean, 0.0) + 1e-4);
  }

  std::vector<double> usual_, past_;
};

void z_scores(std::span<const double> row, std::span<const double> mean, std::span<const double> deviation,
              std::span<double> z) {  // in: the row before, for values that are missing
  for (std::size_t i = 0; i < row.size(); ++i)
    if (std::isfinite(row[i])) z[i] = (row[i] - mean[i]) / deviation[i];
}

}  // namespace

CheapDetectors::CheapDetectors(const Matrix<double>& rows, std::span<const RowRange> runs,
                               std::span<const std::uint8_t> use, std::uint64_t seed) {
  const std::size_t k = rows.cols();
  ColumnMoments moments = column_moments(rows, use);
  mean_ = std::move(moments.mean);
  deviation_ = std::move(moments.deviation);
  const auto used = [&](std::size_t r) { return use.empty() || use[r] != 0; };
  CheapTraining training{Matrix<double>(0, k), {}};
  std::vector<double> z(k);
  for (const RowRange& run : runs) {
    bool fresh = true;
    for (auto r = static_cast<std::size_t>(run.first); r <= static_cast<std::size_t>(run.last); ++r) {
      if (!used(r)) {
        fresh = true;
        continue;
      }
      if (std::exchange(fresh, false)) {
        training.start.push_back(training.z.rows());
        std::fill(z.begin(), z.end(), 0.0);
      }
      z_scores(rows.row(r), mean_, deviation_, z);
      training.z.append_row(std::span<const double>(z));
    }
  }
  if (training.z.rows() < kLeastRows)
    throw input_error(fmt::format("cheap detectors need {} normal rows, found {}", kLeastRows, training.z.rows()));
  axes_ = principal_axes(training);
  detectors_.push_back({"random", std::make_unique<RandomScore>(seed)});
  detectors_.push_back({"last value", std::make_unique<LastValue>(training)});
  detectors_.push_back({"moving variance", std::make_unique<MovingVariance>(training)});
  detectors_.push_back({"z-score", std::make_unique<ZScore>()});
  detectors_.push_back({"EWMA chart", std::make_unique<EwmaChart>()});
  detectors_.push_back({"k-means on windows", fit_window_clusters(training, seed)});
  detectors_.push_back({"PCA T2 and Q", fit_principal_components(training, 1)});
  detectors_.push_back({"PCA T2 and Q, smoothed", fit_principal_components(training, kChart)});
}

CheapDetectors::Blame CheapDetectors::blame(std::span<const double> row) const {
  std::vector<double> z(row.size(), 0);
  z_scores(row, mean_, deviation_, z);
  Blame out;
  for (const double v : z) out.z_score.push_back(std::fabs(v));
  std::vector<double> left = z;
  for (std::size_t c = 0; c < axes_.rows(); ++c) {
    double along = 0;
    for (std::size_t i = 0; i < z.size(); ++i) along += axes_(c, i) * z[i];
    for (std::size_t i = 0; i < z.size(); ++i) left[i] -= along * axes_(c, i);
  }
  for (const double v : left) out.pca.push_back(v * v);
  return out;
}

std::vector<std::string> CheapDetectors::names() const {
  std::vector<std::string> out;
  for (const auto& d : detectors_) out.push_back(d.name);
  return out;
}

Matrix<double> CheapDetectors::scores(const Matrix<double>& rows, std::span<const RowRange> runs,
                                      std::span<const std::uint8_t> use) {
  Matrix<double> out(rows.rows(), detectors_.size(), std::numeric_limits<double>::quiet_NaN());
  std::vector<double> z(rows.cols(), 0);
  for (const RowRange& run : runs) {
    bool fresh = true;
    for (auto r = static_cast<std::size_t>(run.first); r <= static_cast<std::size_t>(run.last); ++r) {
      if (!use.empty() && use[r] == 0) {
        fresh = true;
        continue;
      }
      if (std::exchange(fresh, false)) {
        std::fill(z.begin(), z.end(), 0.0);
        for (auto& d : detectors_) d.detector->restart();
      }
      z_scores(rows.row(r), mean_, deviation_, z);
      for (std::size_t d = 0; d < detectors_.size(); ++d)
        if (const auto score = detectors_[d].detector->push(z)) out(r, d) = *score;
    }
  }
  return out;
}

}  // namespace anomctl
