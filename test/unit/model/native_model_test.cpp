#include "anomctl/model/native_model.h"

#include <cmath>
#include <iostream>

#include "anomctl/core/error.h"
#include "support/catch.h"
#include "support/golden_model.h"

using namespace anomctl;

namespace {

constexpr double kTolerance = 2e-6;  // what the reference's own float32 noise supports

double largest_difference(const std::vector<float>& a, const Tensor& b) {
  REQUIRE(a.size() == b.values.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b.values[i])));
  return worst;
}

void check_case(const golden::Case& c, const Kernels& kernels) {
  INFO(c.name << " on " << kernels.name);
  const Tensor& x = c.vectors.at("batch0.x");
  const auto batch = static_cast<std::size_t>(x.shape[0]);
  const NativeTrace t = trace_native_model(c.settings, c.weights, x.values, batch, {.kernels = &kernels});
  CHECK(largest_difference(t.conv, c.vectors.at("fwd.conv_out")) < kTolerance);
  CHECK(largest_difference(t.h_feat, c.vectors.at("fwd.h_feat")) < kTolerance);
  CHECK(largest_difference(t.h_temp, c.vectors.at("fwd.h_temp")) < kTolerance);
  CHECK(largest_difference(t.h_end, c.vectors.at("fwd.h_end")) < kTolerance);
  CHECK(largest_difference(t.forecast, c.vectors.at("fwd.preds")) < kTolerance);
  CHECK(largest_difference(t.reconstruction, c.vectors.at("fwd.recons")) < kTolerance);

  // Scores' parts: the forecast from window i and the last reconstructed row of window i + 1 judge row w + i.
  const Tensor& series = c.vectors.at("series");
  const auto rows = static_cast<std::size_t>(series.shape[0]), w = static_cast<std::size_t>(c.settings.window_size);
  const std::size_t k = static_cast<std::size_t>(c.settings.n_features), n = rows - w;
  std::vector<float> windows;
  for (std::size_t i = 0; i <= n; ++i) {
    windows.insert(windows.end(), series.values.begin() + static_cast<std::ptrdiff_t>(i * k),
                   series.values.begin() + static_cast<std::ptrdiff_t>((i + w) * k));
  }
  Expectation e;
  make_native_model(c.settings, c.weights, {.kernels = &kernels})->expect(windows, n + 1, e);
  const auto o = e.forecast.cols();
  const std::vector<float> forecast(e.forecast.data(), e.forecast.data() + n * o);
  const std::vector<float> last(e.reconstruction.data() + o, e.reconstruction.data() + (n + 1) * o);
  CHECK(largest_difference(forecast, c.vectors.at("score.forecast")) < kTolerance);
  CHECK(largest_difference(last, c.vectors.at("score.recon_last")) < kTolerance);
}

}  // namespace

TEST_CASE("every golden case, on every instruction set of this CPU") {
  for (const std::string& name : golden::small_cases()) {
    for (const Kernels* kernels : available_kernels()) check_case(golden::load_case(name), *kernels);
  }
}

TEST_CASE("the default network") {
  if (golden::large_cases().empty()) {
    std::cout << "skipped: 1 golden case (default_w100_k17 is not beside the checkout)\n";
    return;
  }
  for (const Kernels* kernels : available_kernels())
    check_case(golden::load_case("default_w100_k17", golden::large_cases()), *kernels);
}

TEST_CASE("a window's result depends on neither its batch, its place in it, nor the threads") {
  const golden::Case c = golden::load_case("small_w20_k5");
  const Tensor& series = c.vectors.at("series");
  const std::size_t w = 20, k = 5, n = 37;
  std::vector<float> windows;
  for (std::size_t i = 0; i < n; ++i) {
    windows.insert(windows.end(), series.values.begin() + static_cast<std::ptrdiff_t>(i * k),
                   series.values.begin() + static_cast<std::ptrdiff_t>((i + w) * k));
  }
  for (const Kernels* kernels : available_kernels()) {
    INFO(kernels->name);
    Expectation all, threaded, one;
    make_native_model(c.settings, c.weights, {.kernels = kernels})->expect(windows, n, all);
    make_native_model(c.settings, c.weights, {.threads = 3, .kernels = kernels})->expect(windows, n, threaded);
    CHECK(all.forecast == threaded.forecast);
    CHECK(all.reconstruction == threaded.reconstruction);
    const auto model = make_native_model(c.settings, c.weights, {.kernels = kernels});
    for (std::size_t i = 0; i < n; ++i) {
      model->expect(std::span(windows).subspan(i * w * k, w * k), 1, one);
      for (std::size_t j = 0; j < k; ++j) {
        REQUIRE(one.forecast(0, j) == all.forecast(i, j));
        REQUIRE(one.reconstruction(0, j) == all.reconstruction(i, j));
      }
    }
  }
}

TEST_CASE("judged windows: the halves of both passes, bit for bit, however they are cut into chunks") {
  const golden::Case c = golden::load_case("small_w20_k5");
  const Tensor& series = c.vectors.at("series");
  const std::size_t w = 20, k = 5, n = 11;
  const auto rows_from = [&](std::size_t first, std::size_t rows) {
    const auto begin = series.values.begin() + static_cast<std::ptrdiff_t>(first * k);
    return std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(rows * k));
  };
  std::vector<float> judged;
  for (std::size_t i = 0; i < n; ++i) {
    const auto window = rows_from(i, w + 1);
    judged.insert(judged.end(), window.begin(), window.end());
  }
  for (const Kernels* kernels : available_kernels()) {
    for (const int threads : {1, 3}) {
      const auto model = make_native_model(c.settings, c.weights, {.threads = threads, .kernels = kernels});
      Expectation ours, plain, before, after;
      model->expect_judged(judged, n, ours);
      model->WindowModel::expect_judged(judged, n, plain);  // by two whole passes
      CHECK(ours.forecast.values().size() == n * k);
      CHECK(std::equal(ours.forecast.values().begin(), ours.forecast.values().end(), plain.forecast.values().begin()));
      CHECK(std::equal(ours.reconstruction.values().begin(), ours.reconstruction.values().end(),
                       plain.reconstruction.values().begin()));
      model->expect(rows_from(4, w), 1, before);
      model->expect(rows_from(5, w), 1, after);
      CHECK(std::equal(before.forecast.row(0).begin(), before.forecast.row(0).end(), ours.forecast.row(4).begin()));
      CHECK(std::equal(after.reconstruction.row(0).begin(), after.reconstruction.row(0).end(),
                       ours.reconstruction.row(4).begin()));
    }
  }
}

TEST_CASE("weights that do not fit are refused by name") {
  const golden::Case c = golden::load_case("small_w20_k5");
  TensorMap weights = c.weights;
  weights.erase("gru.gru.weight_hh_l0");
  CHECK_THROWS_WITH(make_native_model(c.settings, weights), Contains("lack 'gru.gru.weight_hh_l0'"));
  weights = c.weights;
  weights["conv.conv.bias"].shape = {4};
  CHECK_THROWS_WITH(make_native_model(c.settings, weights), Contains("(4)") && Contains("(5)"));
  weights = c.weights;
  weights["extra"] = Tensor{{1}, {0}};
  CHECK_THROWS_AS(make_native_model(c.settings, weights), Error);
  MtadGatSettings even = c.settings;
  even.kernel_size = 6;
  CHECK_THROWS_WITH(make_native_model(even, c.weights), Contains("kernel_size 6 is even"));
}

TEST_CASE("huge weights give finite outputs or none, never a crash") {
  golden::Case c = golden::load_case("small_w20_k5");
  for (float& v : c.weights.at("feature_gat.lin.weight").values) v *= 1e23F;
  const Tensor& x = c.vectors.at("batch0.x");
  CHECK_NOTHROW(trace_native_model(c.settings, c.weights, x.values, static_cast<std::size_t>(x.shape[0])));
}
