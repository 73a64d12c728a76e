// The native engine at the default size (17 sensors, window 100, 150 units), random weights, one thread, on every
// instruction set of this CPU: single kernels and windows by batch.
#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <random>

#include "anomctl/model/mtad_gat_network.h"
#include "anomctl/model/native_model.h"

namespace {

using namespace anomctl;
using Floats = std::vector<float>;

Floats random_floats(std::size_t n, float size) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-size, size);
  Floats out(n);
  for (float& v : out) v = uniform(random);
  return out;
}

MtadGatSettings settings() {
  MtadGatSettings s;
  s.n_features = s.out_dim = 17;
  s.window_size = 100;
  return s;
}

TensorMap random_weights() {
  TensorMap out;
  for (const WeightSpec& spec : mtad_gat_weights(settings())) {
    std::size_t n = 1;
    for (const std::int64_t d : spec.shape) n *= static_cast<std::size_t>(d);
    out[spec.name] = {spec.shape, random_floats(n, 0.1F)};
  }
  return out;
}

// The attention over time: 100 nodes, 34 channels.
void attention(benchmark::State& state, const Kernels* k) {
  const std::size_t n = 100, d = 34, ld = padded(n), ldq = padded(d + 1);
  const Floats p = random_floats(d * ld, 1), q = random_floats(n * ldq, 1), bias = random_floats(n * ld, 1);
  Floats out(n * ld), scale(ld);
  for (auto _ : state) {
    k->attention(n, d, d / 2, p.data(), q.data(), ldq, bias.data(), out.data(), scale.data());
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}

// One step of 150 units; items are steps of one window.
void gru(benchmark::State& state, const Kernels* k) {
  const auto rows = static_cast<std::size_t>(state.range(0));
  const std::size_t units = 150, ld = padded(units);
  const Floats x = random_floats(rows * 3 * ld, 1), weights = random_floats(units * 3 * ld, 0.1F),
               bias = random_floats(ld, 0.1F);
  Floats h = random_floats(rows * ld, 1), next(rows * ld);
  for (auto _ : state) {
    k->gru_step(rows, units, ld, x.data(), weights.data(), bias.data(), h.data(), next.data());
    std::swap(h, next);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// judged: with the row that is judged, as `serve` asks; else one forward pass a window.
void windows(benchmark::State& state, const Kernels* k, bool judged) {
  const auto model = make_native_model(settings(), random_weights(), {.kernels = k});
  const auto n = static_cast<std::size_t>(state.range(0));
  const Floats x = random_floats(n * 101 * 17, 1);
  Expectation out;
  for (auto _ : state) {
    if (judged)
      model->expect_judged(x, n, out);
    else
      model->expect(x, n, out);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

[[maybe_unused]] const bool registered = [] {
  for (const Kernels* k : available_kernels()) {
    const auto named = [k](const char* what) { return fmt::format("{}/{}", what, k->name); };
    benchmark::RegisterBenchmark(named("attention").c_str(), attention, k);
    benchmark::RegisterBenchmark(named("gru").c_str(), gru, k)->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(16);
    benchmark::RegisterBenchmark(named("expect").c_str(), windows, k, false)->Arg(1)->Arg(8)->Arg(32);
    benchmark::RegisterBenchmark(named("judged").c_str(), windows, k, true)->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(32);
  }
  return true;
}();

}  // namespace
