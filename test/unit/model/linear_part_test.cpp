// The linear forecast that MTAD-GAT corrects: fitted, added on every instruction set, and the gate.
#include "anomctl/model/linear_part.h"

#include <cmath>
#include <numeric>
#include <random>

#include "anomctl/model/mtad_gat_network.h"
#include "anomctl/model/native_model.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

MtadGatSettings small() {
  MtadGatSettings s;
  s.n_features = s.out_dim = 3;
  s.window_size = 8;
  s.gru_hid_dim = s.fc_hid_dim = s.recon_hid_dim = 5;
  s.linear_rows = 2;
  return s;
}

// x1 = 0.5 x0' + 0.3 x2'', the others noise; ' and '' are one and two rows ago.
Matrix<float> linear_rows(std::size_t n) {
  std::mt19937 random(1);
  std::normal_distribution<float> noise;
  Matrix<float> rows(n, 3);
  for (std::size_t r = 0; r < n; ++r) {
    rows(r, 0) = noise(random);
    rows(r, 2) = 10 + 4 * noise(random);
    rows(r, 1) = r < 2 ? 0 : 0.5F * rows(r - 1, 0) + 0.3F * rows(r - 2, 2);
  }
  return rows;
}

std::vector<std::int64_t> every_start(std::size_t rows, std::int64_t window) {
  std::vector<std::int64_t> starts(rows - static_cast<std::size_t>(window));
  std::iota(starts.begin(), starts.end(), 0);
  return starts;
}

Matrix<float> forecasts(const MtadGatSettings& s, const TensorMap& weights, const Matrix<float>& rows,
                        const Kernels& kernels) {
  const auto w = static_cast<std::size_t>(s.window_size), k = rows.cols(), n = rows.rows() - w;
  std::vector<float> windows;
  for (std::size_t i = 0; i < n; ++i) windows.insert(windows.end(), rows.data() + i * k, rows.data() + (i + w) * k);
  Expectation e;
  make_native_model(s, weights, {.kernels = &kernels})->expect(windows, n, e);
  return e.forecast;
}

}  // namespace

TEST_CASE("the linear part finds a linear relation to earlier rows, on every instruction set") {
  const MtadGatSettings s = small();
  const Matrix<float> rows = linear_rows(400);
  TensorMap weights = initial_weights(s, 7);
  fit_linear_part(s, rows, every_start(rows.rows(), s.window_size), weights);
  const TensorMap alone = linear_part_alone(s, weights);
  MtadGatSettings bare = s;
  bare.linear_rows = 0;
  TensorMap network = weights;
  std::erase_if(network, [](const auto& w) { return w.first.starts_with("linear_part."); });
  for (const Kernels* kernels : available_kernels()) {
    INFO(kernels->name);
    const Matrix<float> linear = forecasts(s, alone, rows, *kernels), both = forecasts(s, weights, rows, *kernels),
                        correction = forecasts(bare, network, rows, *kernels);
    double worst = 0;
    for (std::size_t r = 0; r < linear.rows(); ++r) {
      worst = std::max(worst, static_cast<double>(std::fabs(linear(r, 1) - rows(r + 8, 1))));
      for (std::size_t i = 0; i < 3; ++i) CHECK(std::fabs(both(r, i) - linear(r, i) - correction(r, i)) < 2e-5F);
    }
    CHECK(worst < 0.2);  // the ridge's bias; the sensor spreads over 1.3
  }
}

TEST_CASE("inputs of the linear part are clipped where the fit has never been") {
  const MtadGatSettings s = small();
  Matrix<float> rows = linear_rows(400);
  TensorMap weights = initial_weights(s, 7);
  fit_linear_part(s, rows, every_start(rows.rows(), s.window_size), weights);
  const TensorMap alone = linear_part_alone(s, std::move(weights));
  rows(200, 0) = 1e9F;
  const Matrix<float> linear = forecasts(s, alone, rows, *available_kernels().front());
  CHECK(std::fabs(linear(201 - 8, 1)) < 10);
}

TEST_CASE("a correction is taken as far as held-out rows bear it out") {
  const MtadGatSettings s = small();
  TensorMap weights = initial_weights(s, 7);
  const TensorMap before = weights;
  std::mt19937 random(3);
  std::normal_distribution<float> noise;
  constexpr std::size_t n = 600;
  Matrix<float> linear(n, 3), corrected(n, 3), actual(n, 3);
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t i = 0; i < 3; ++i) {
      actual(r, i) = noise(random);
      linear(r, i) = 0;
    }
    corrected(r, 0) = actual(r, 0);      // right
    corrected(r, 1) = noise(random);     // chance
    corrected(r, 2) = 2 * actual(r, 2);  // right, and twice too much
  }
  const double explained = gate_correction(s, corrected, linear, actual, weights);
  CHECK(explained > 0.6);
  CHECK(explained < 0.7);
  const auto gate = [&](std::size_t i) {
    const std::string bias = "forecasting_model.layers.3.bias", weight = "forecasting_model.layers.3.weight";
    const double g = weights.at(bias).values[i] / before.at(bias).values[i];
    CHECK(weights.at(weight).values[i * 5 + 2] / before.at(weight).values[i * 5 + 2] == Approx(g).margin(1e-6));
    return g;
  };
  CHECK(gate(0) > 0.95);
  CHECK(gate(1) < 0.05);
  CHECK(gate(2) == Approx(0.5).margin(0.05));
}
