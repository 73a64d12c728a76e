// A window model without a network: exact, cheap, and each output depends on every row of the window.
#pragma once

#include <limits>
#include <memory>
#include <random>
#include <string>

#include "anomctl/detection/bundle.h"
#include "anomctl/model/window_model.h"

namespace anomctl::test {

// Forecast: mean of the window's last two rows plus a small sum over the window; reconstruction: the mean of the last
// row and the one before.
class FakeModel : public WindowModel {
 public:
  explicit FakeModel(WindowShape shape) : shape_(std::move(shape)) {}
  const WindowShape& shape() const override { return shape_; }
  std::string engine() const override { return "fake"; }
  void expect(std::span<const float> windows, std::size_t n, Expectation& out) const override {
    const std::size_t w = shape_.window, k = shape_.sensors, o = shape_.targets.size();
    out.forecast = Matrix<float>(n, o);
    out.reconstruction = Matrix<float>(n, o);
    for (std::size_t i = 0; i < n; ++i) {
      const float* window = windows.data() + i * w * k;
      for (std::size_t t = 0; t < o; ++t) {
        const std::size_t c = shape_.targets[t];
        const float last = window[(w - 1) * k + c], before = window[(w - 2) * k + c];
        float sum = 0;
        for (std::size_t r = 0; r < w * k; ++r) sum += window[r];
        out.forecast(i, t) = 0.5F * (last + before) + 0.001F * sum;
        out.reconstruction(i, t) = 0.5F * (last + before);
      }
    }
  }

 private:
  WindowShape shape_;
};

inline constexpr std::size_t kFakeWindow = 4;

// Three sensors a, b, c with units, window 4, no threshold.
inline Bundle fake_bundle() {
  Bundle bundle;
  bundle.name = "fake";
  bundle.columns = {{"a", "bar", ""}, {"b", "l/min", "flow"}, {"c", "", ""}};
  bundle.scaler = Scaler::none(3);
  bundle.settings.n_features = 3;
  bundle.settings.window_size = static_cast<std::int64_t>(kFakeWindow);
  bundle.score = ScoreSettings::reference(1);
  return bundle;
}

inline std::shared_ptr<const WindowModel> fake_model(const Bundle& bundle) {
  return std::make_shared<FakeModel>(
      WindowShape{static_cast<std::size_t>(bundle.settings.window_size), bundle.columns.size(), bundle.targets()});
}

// n rows of k noisy values, one second apart.
inline std::vector<Row> random_rows(std::size_t n, std::size_t k, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<Row> rows(n);
  for (std::size_t i = 0; i < n; ++i) {
    rows[i].time = static_cast<Nanoseconds>(i) * kSecond;
    for (std::size_t c = 0; c < k; ++c) rows[i].values.push_back(normal(random));
  }
  return rows;
}

// Rows with every kind of trouble: missing values, a dead sensor, a dead line, pauses, a stamp that goes back.
inline std::vector<Row> troubled_rows(std::size_t n, unsigned seed) {
  std::vector<Row> rows = random_rows(n, 3, seed);
  constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
  std::mt19937 random(seed);
  const auto chance = [&](unsigned in) { return random() % in == 0; };
  Nanoseconds shift = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (chance(60)) shift += 20 * kSecond;
    if (chance(90)) shift -= 3 * kSecond;
    rows[i].time += shift;
    if (chance(10)) rows[i].values[random() % 3] = kMissing;
    if (i > 100 && i < 125) rows[i].values[1] = kMissing;
    if (i > 150 && i < 170) rows[i].values = {kMissing, kMissing, kMissing};
    if (chance(40)) rows[i].values[0] = std::numeric_limits<double>::infinity();
  }
  return rows;
}

}  // namespace anomctl::test
