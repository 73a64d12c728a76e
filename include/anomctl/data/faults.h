// Faults put into a stream of rows on purpose, with the truth about them: to rehearse, to test, and to measure.
//   offset  the sensor reads too much by `size`            drift  the same, growing from 0 over the length
//   stuck   the last value stays                            spike  single rows jump by `size`, about one in twenty
//   noise   normal noise of standard deviation `size`       leak   the share `size` of the value is lost, growing in
//   phase   the sensor lags by `size` seconds              replay  it shows its own course of `size` seconds ago: in
//                                                           range and moving, but no longer in step with the others
//   dead    it says nothing                                 out_of_range  it shows `size` times its largest value so far
//   clock_skew  no sensor's: the asset's stamps are off by `size` seconds, before or behind
// `size` of offset, drift, spike and noise counts standard deviations of the sensor before the fault. Dead, stuck, out of
// range and a clock that is off are those that rules of `manage` tell. Thread rule: one thread an object.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anomctl/core/row.h"
#include "anomctl/data/anomalies.h"

namespace anomctl {

enum class FaultKind { offset, drift, stuck, spike, leak, phase, noise, replay, dead, out_of_range, clock_skew };
std::string_view fault_name(FaultKind kind);

struct FaultSpec {
  FaultKind kind = FaultKind::offset;
  std::string sensor;  // empty: clock_skew
  Duration start;      // after the first row of the stream
  Duration length;
  double size = 0;  // 0: the kind's own
};

// "kind:sensor@start+length" or "kind:sensor@start+length*size", as in stuck:flow_3@120s+30s; clock_skew@120s+30s has no
// sensor. Throws UsageError.
FaultSpec parse_fault(const std::string& text);
std::string format_fault(const FaultSpec& fault);

// A fault that began in the stream. It is known from its first row on; `end` is then already the end to come.
struct InjectedFault {
  FaultKind kind = FaultKind::offset;
  std::string sensor;                 // empty: clock_skew
  std::vector<std::string> affected;  // columns that show it, the sensor first
  Nanoseconds start = 0, end = 0;     // both in
};
std::vector<Anomaly> anomalies_of(const std::vector<InjectedFault>& truth);

// Numbers that are the same everywhere for the same seed.
class FaultRandom {
 public:
  explicit FaultRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits();
  double uniform();  // [0, 1)
  double normal();

 private:
  std::uint64_t state_;
};

class FaultInjector {
 public:
  // `deviations`: of the columns, to count sizes in instead of those of the rows so far (empty). Throws UsageError for a
  // sensor that is no column.
  FaultInjector(const std::vector<std::string>& columns, std::vector<FaultSpec> faults, std::uint64_t seed = 1,
                std::span<const double> deviations = {});
  // Changes the row where a fault is on: its values, of a clock its clock_skew. Rows come in order of time.
  void apply(Row& row);
  const std::vector<InjectedFault>& truth() const { return truth_; }

 private:
  struct State {
    FaultSpec fault;
    std::size_t column = 0;
    bool begun = false;
    double held = 0, largest = 0;                     // stuck; out_of_range: without sign
    double count = 0, mean = 0, squares = 0;          // of the sensor so far
    double deviation = 0;                             // known beforehand; else 0
    std::deque<std::pair<Nanoseconds, double>> past;  // phase, replay
  };
  bool begin(State& state, Nanoseconds time, Nanoseconds now);
  double faulty(State& state, double value, Nanoseconds time, Nanoseconds since);

  std::vector<State> states_;
  std::vector<InjectedFault> truth_;
  FaultRandom random_;
  bool started_ = false;
  Nanoseconds origin_ = 0;
};

// Rows of `rows` with faults in them.
class FaultySource : public RowSource {
 public:
  FaultySource(std::unique_ptr<RowSource> rows, std::vector<FaultSpec> faults, std::uint64_t seed = 1)
      : rows_(std::move(rows)), injector_(rows_->columns(), std::move(faults), seed) {}
  const std::vector<std::string>& columns() const override { return rows_->columns(); }
  bool next(Row& row) override {
    if (!rows_->next(row)) return false;
    injector_.apply(row);
    return true;
  }
  const std::vector<InjectedFault>& truth() const { return injector_.truth(); }

 private:
  std::unique_ptr<RowSource> rows_;
  FaultInjector injector_;
};

}  // namespace anomctl
