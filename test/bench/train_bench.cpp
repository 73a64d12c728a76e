// A training step on libtorch at the default size (17 sensors, window 100, 354,287 parameters), 256 windows, random
// data: losses, gradients, Adam. Items are windows, the argument is threads. "reference" computes what --compat
// reference does (two passes a step), "aligned" the default.
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "mtad_gat/adam.h"
#include "mtad_gat/kept_memory.h"
#include "mtad_gat/losses.h"

namespace {

using namespace anomctl;

void step(benchmark::State& state, bool aligned) {
  const KeptMemory memory;
  at::set_num_threads(static_cast<int>(state.range(0)));
  MtadGatSettings settings;
  settings.n_features = settings.out_dim = 17;
  settings.window_size = 100;
  Parameters parameters = make_parameters(initial_weights(settings, 0), at::kCPU);
  Adam adam(parameters);
  const at::Tensor x = at::rand({256, 100, 17}), y = at::rand({256, 17});
  const auto once = [&] {
    TensorBackend backend(parameters, settings.dropout, true);
    const Losses l = mtad_gat_losses(backend, settings, x, y, aligned, 0);
    (l.forecast + l.reconstruction).backward();
    adam.step(1e-4);
  };
  once();
  for (auto _ : state) once();
  state.SetItemsProcessed(state.iterations() * 256);
}

BENCHMARK_CAPTURE(step, reference, false)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(step, aligned, true)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();

}  // namespace
