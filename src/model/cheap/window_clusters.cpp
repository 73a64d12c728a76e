#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "model/cheap/parts.h"

namespace anomctl {
namespace {

constexpr std::size_t kRows = 8, kCentres = 16, kRounds = 20;
constexpr std::size_t kMostWindows = 4000, kMostNumbers = 2'000'000;  // that the centres are found from

double distance(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

struct Nearest {
  std::size_t centre = 0;
  double distance = std::numeric_limits<double>::infinity();
};
Nearest nearest(const Matrix<double>& centres, std::span<const double> window) {
  Nearest best;
  for (std::size_t c = 0; c < centres.rows(); ++c) {
    const double d = distance(centres.row(c), window);
    if (d < best.distance) best = {c, d};
  }
  return best;
}

// Windows of train, evenly spread over it.
Matrix<double> sample_windows(const CheapTraining& training) {
  const std::size_t width = kRows * training.z.cols();
  std::vector<std::size_t> starts;
  for (std::size_t s = 0; s < training.start.size(); ++s) {
    const std::size_t end = s + 1 < training.start.size() ? training.start[s + 1] : training.z.rows();
    for (std::size_t r = training.start[s]; r + kRows <= end; ++r) starts.push_back(r);
  }
  const std::size_t wanted = std::min({starts.size(), kMostWindows, std::max<std::size_t>(200, kMostNumbers / width)});
  Matrix<double> windows(0, width);
  for (std::size_t i = 0; i < wanted; ++i)
    windows.append_row(training.z.rows_view(starts[i * starts.size() / wanted], kRows));
  return windows;
}

// k-means++ (Arthur and Vassilvitskii 2007), then Lloyd's rounds.
Matrix<double> find_centres(const Matrix<double>& windows, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Matrix<double> centres(0, windows.cols());
  centres.append_row(windows.row(random() % windows.rows()));
  std::vector<double> far(windows.rows(), std::numeric_limits<double>::infinity());
  while (centres.rows() < std::min(kCentres, windows.rows())) {
    double sum = 0;
    for (std::size_t i = 0; i < far.size(); ++i)
      sum += far[i] = std::min(far[i], distance(centres.row(centres.rows() - 1), windows.row(i)));
    double at = sum * static_cast<double>(random() >> 11) * 0x1p-53;
    std::size_t chosen = 0;
    while (chosen + 1 < far.size() && at >= far[chosen]) at -= far[chosen++];
    centres.append_row(windows.row(chosen));
  }
  for (std::size_t round = 0; round < kRounds; ++round) {
    Matrix<double> sums(centres.rows(), centres.cols(), 0);
    std::vector<double> counts(centres.rows(), 0);
    for (std::size_t i = 0; i < windows.rows(); ++i) {
      const std::size_t c = nearest(centres, windows.row(i)).centre;
      ++counts[c];
      std::transform(sums.row(c).begin(), sums.row(c).end(), windows.row(i).begin(), sums.row(c).begin(),
                     std::plus<>{});
    }
    for (std::size_t c = 0; c < centres.rows(); ++c)
      if (counts[c] > 0)
        std::transform(sums.row(c).begin(), sums.row(c).end(), centres.row(c).begin(),
                       [&](double v) { return v / counts[c]; });
  }
  return centres;
}

class WindowClusters : public CheapDetector {
 public:
  WindowClusters(const CheapTraining& training, std::uint64_t seed) {
    const Matrix<double> windows = sample_windows(training);
    if (!windows.empty()) centres_ = find_centres(windows, seed);
  }
  void restart() override { past_.clear(); }
  std::optional<double> push(std::span<const double> z) override {
    past_.insert(past_.end(), z.begin(), z.end());
    if (past_.size() > kRows * z.size())
      past_.erase(past_.begin(), past_.begin() + static_cast<std::ptrdiff_t>(z.size()));
    if (past_.size() < kRows * z.size() || centres_.empty()) return std::nullopt;
    return std::sqrt(nearest(centres_, past_).distance);
  }

 private:
  Matrix<double> centres_;  // (centres, kRows * k)
  std::vector<double> past_;
};

}  // namespace

std::unique_ptr<CheapDetector> fit_window_clusters(const CheapTraining& training, std::uint64_t seed) {
  return std::make_unique<WindowClusters>(training, seed);
}

}  // namespace anomctl
