// What it costs to have a reading on disk before it is acknowledged: one transaction each, as MQTT hands them over.
#include <benchmark/benchmark.h>

#include "anomctl/io/spool/spool_file.h"

namespace {

using namespace anomctl;

const std::string kReading(330, 'x');  // 17 sensors as JSON

void append(benchmark::State& state, bool durable) {
  const TemporaryFolder folder;
  SpoolOptions options{folder.path() / "bench.spool"};
  options.durable = durable;
  SpoolFile spool(options);
  std::int64_t n = 0;
  for (auto _ : state) {
    if (!spool.append(kReading)) state.SkipWithError("not stored");
    if (++n % 1000 == 0) spool.apply({{}, {}, n - 1000, {}});
  }
  state.SetItemsProcessed(state.iterations());
}
void append_killed(benchmark::State& state) { append(state, false); }
void append_power_cut(benchmark::State& state) { append(state, true); }

// Ten verdicts and the erasure of ten that were acknowledged.
void verdicts(benchmark::State& state) {
  const TemporaryFolder folder;
  SpoolOptions options{folder.path() / "bench.spool"};
  options.contiguous = false;
  SpoolFile spool(options);
  SpoolFile::Change change;
  change.append.assign(10, std::string(500, 'x'));
  change.values = {{"judged", "1"}};
  for (auto _ : state) {
    const auto first = spool.apply(change);
    change.erase.clear();
    for (std::int64_t i = 0; i < 10; ++i) change.erase.push_back(*first + i);
  }
  state.SetItemsProcessed(10 * state.iterations());
}

BENCHMARK(append_killed)->UseRealTime();
BENCHMARK(append_power_cut)->UseRealTime();
BENCHMARK(verdicts)->UseRealTime();

}  // namespace
