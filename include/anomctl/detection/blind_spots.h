// What a bundle would not see: faults put into normal rows, one at a time, and whether an alert followed. For those who
// have no labelled anomalies. Thread rule: one thread a call.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/data/faults.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/detection/detector.h"

namespace anomctl {

struct DrillSettings {
  std::vector<FaultKind> kinds;  // those with a size in standard deviations, stuck, replay, dead
  std::vector<double> sizes;     // standard deviations of the sensor, ascending
  std::int64_t fault_rows = 60;
  std::int64_t places = 5;       // of the normal rows, as many as are quiet
  std::int64_t replay_rows = 0;  // how old the course is that a replayed sensor shows; 0: ten faults, or what there is
  std::uint64_t seed = 1;
  DetectorOptions detector;
};

struct DrillCase {
  std::size_t sensor = 0;  // column
  FaultKind kind = FaultKind::offset;
  double size = 0;         // 0: the kind has none
  std::int64_t tried = 0;  // places where it changed a value: a sensor that stands still cannot be stuck
  std::int64_t found = 0;
  std::int64_t named = 0;  // of those found: the alert named this sensor first
  double delay_rows = 0;   // median over those found, from the fault's first row; NaN where none was
};

struct Drill {
  std::vector<DrillCase> cases;  // by sensor, kind, size
  std::int64_t places = 0;
  std::int64_t loud = 0;       // places left out, for there was an alert without any fault, or the asset was idle
  std::int64_t lead_rows = 0;  // before each fault
};

// Whether faults of this kind come in sizes of standard deviations; throws UsageError for kinds that cannot be drilled.
bool has_size(FaultKind kind);

// `normal`: one a row of `part`, 1 where it may be used. `deviations`: of the columns. `on_progress`: cases done, in all.
// Throws Error(bad_input) where no stretch of normal rows is long enough, or none is quiet.
Drill find_blind_spots(const std::shared_ptr<const Bundle>& bundle, const std::shared_ptr<const WindowModel>& model,
                       const Part& part, const std::vector<std::uint8_t>& normal, const std::vector<double>& deviations,
                       const std::vector<std::size_t>& sensors, const DrillSettings& settings,
                       const std::function<void(std::size_t done, std::size_t all)>& on_progress, std::stop_token stop);

}  // namespace anomctl
