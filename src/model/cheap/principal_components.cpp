#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <utility>

#include "model/cheap/parts.h"

namespace anomctl {
namespace {

constexpr double kVariance = 0.95;
constexpr double kControl = 0.99;  // quantile of train rows that a control limit stands for

double quantile(std::vector<double> values, double share) {
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

class PrincipalComponents : public CheapDetector {
 public:
  PrincipalComponents(const CheapTraining& training, double lambda) : lambda_(lambda) {
    using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const auto n = static_cast<Eigen::Index>(training.z.rows()), k = static_cast<Eigen::Index>(training.z.cols());
    const Eigen::Map<const RowMajor> z(training.z.data(), n, k);
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solved((z.transpose() * z) / static_cast<double>(n));
    const Eigen::VectorXd& values = solved.eigenvalues();  // ascending
    const double wanted = kVariance * values.sum();
    Eigen::Index kept = 0;
    for (double sum = 0; kept < k && sum < wanted; ++kept) sum += std::max(0.0, values(k - 1 - kept));
    axes_ = solved.eigenvectors().rightCols(kept).transpose();
    variance_ = values.tail(kept).cwiseMax(1e-12);
    std::vector<double> t2, q;
    for (std::size_t r = 0; r < training.z.rows(); ++r) {
      const auto [inside, outside] = distances(training.z.row(r));
      t2.push_back(inside);
      q.push_back(outside);
    }
    t2_limit_ = std::max(quantile(std::move(t2), kControl), 1e-9);
    q_limit_ = std::max(quantile(std::move(q), kControl), 1e-9);
  }
  Matrix<double> axes() const {
    Matrix<double> out(static_cast<std::size_t>(axes_.rows()), static_cast<std::size_t>(axes_.cols()));
    for (std::size_t c = 0; c < out.rows(); ++c)
      for (std::size_t i = 0; i < out.cols(); ++i)
        out(c, i) = axes_(static_cast<Eigen::Index>(c), static_cast<Eigen::Index>(i));
    return out;
  }
  void restart() override { fresh_ = true; }
  std::optional<double> push(std::span<const double> z) override {
    const auto [t2, q] = distances(z);
    const double score = std::max(t2 / t2_limit_, q / q_limit_);
    if (lambda_ >= 1) return score;
    const double now = std::log1p(score);
    smoothed_ = std::exchange(fresh_, false) ? now : smoothed_ + lambda_ * (now - smoothed_);
    return smoothed_;
  }

 private:
  std::pair<double, double> distances(std::span<const double> row) const {
    const Eigen::Map<const Eigen::VectorXd> z(row.data(), static_cast<Eigen::Index>(row.size()));
    const Eigen::VectorXd along = axes_ * z;
    return {(along.array().square() / variance_.array()).sum(), (z - axes_.transpose() * along).squaredNorm()};
  }

  double lambda_;
  Eigen::MatrixXd axes_;      // (components, k)
  Eigen::VectorXd variance_;  // components
  double t2_limit_ = 1, q_limit_ = 1;
  double smoothed_ = 0;
  bool fresh_ = true;
};

}  // namespace

Matrix<double> principal_axes(const CheapTraining& training) { return PrincipalComponents(training, 1).axes(); }

std::unique_ptr<CheapDetector> fit_principal_components(const CheapTraining& training, double lambda) {
  return std::make_unique<PrincipalComponents>(training, lambda);
}

}  // namespace anomctl
