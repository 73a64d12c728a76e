#include "anomctl/data/faults.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "anomctl/core/error.h"
#include "anomctl/data/csv.h"
#include "data/column_names.h"

namespace anomctl {
namespace {

struct KindFacts {
  FaultKind kind;
  std::string_view name;
  double size;  // when none is given
};
constexpr std::array<KindFacts, 11> kKinds = {{{FaultKind::offset, "offset", 3},
                                               {FaultKind::drift, "drift", 4},
                                               {FaultKind::stuck, "stuck", 0},
                                               {FaultKind::spike, "spike", 6},
                                               {FaultKind::leak, "leak", 0.15},
                                               {FaultKind::phase, "phase", 20},
                                               {FaultKind::noise, "noise", 1.5},
                                               {FaultKind::replay, "replay", 1800},
                                               {FaultKind::dead, "dead", 0},
                                               {FaultKind::out_of_range, "out_of_range", 1e6},
                                               {FaultKind::clock_skew, "clock_skew", 3600}}};
constexpr double kMostSeconds = 1e9;
constexpr double kSpikeShare = 0.05;
constexpr double kLeakGrowth = 0.2;  // of the length, until the leak is whole

const KindFacts& facts(FaultKind kind) {
  for (const KindFacts& f : kKinds) {
    if (f.kind == kind) return f;
  }
  return kKinds[0];
}

bool counts_seconds(FaultKind kind) {
  return kind == FaultKind::phase || kind == FaultKind::replay || kind == FaultKind::clock_skew;
}

}  // namespace

std::string_view fault_name(FaultKind kind) { return facts(kind).name; }

FaultSpec parse_fault(const std::string& text) {
  const auto wrong = [&](const std::string& what) {
    return UsageError(fmt::format("fault '{}': {} (kind:sensor@start+length, as in stuck:flow@120s+30s)", text, what));
  };
  FaultSpec fault;
  const std::size_t at = text.rfind('@'), colon = std::min(text.find(':'), at);
  if (at == std::string::npos) throw wrong("expected a kind, a sensor and a time");
  const std::string kind = text.substr(0, colon);
  std::string names;
  bool known = false;
  for (const KindFacts& f : kKinds) {
    names += (names.empty() ? "" : ", ") + std::string(f.name);
    if (f.name != kind) continue;
    fault.kind = f.kind;
    known = true;
  }
  if (!known) throw wrong(fmt::format("there is no kind '{}', there are {}", kind, names));
  if (colon < at) fault.sensor = text.substr(colon + 1, at - colon - 1);
  const bool of_clock = fault.kind == FaultKind::clock_skew;
  if (of_clock && colon < at) throw wrong("the clock is the asset's, not a sensor's: clock_skew@120s+30s*3600");
  if (!of_clock && fault.sensor.empty()) throw wrong("the sensor is missing");
  std::string times = text.substr(at + 1);
  if (const std::size_t star = times.find('*'); star != std::string::npos) {
    const auto size = parse_number(times.substr(star + 1));
    if (!size || !std::isfinite(*size) || *size == 0) throw wrong("the size is a number other than 0");
    if (counts_seconds(fault.kind) && std::fabs(*size) > kMostSeconds) throw wrong("the size is at most 1e9 seconds");
    fault.size = *size;
    times.resize(star);
  }
  const std::size_t plus = times.find('+');
  const auto start = parse_duration(times.substr(0, plus));
  const auto length = plus == std::string::npos ? std::nullopt : parse_duration(times.substr(plus + 1));
  if (!start || !length || length->ns <= 0) throw wrong("expected start+length, as in 120s+30s");
  fault.start = *start;
  fault.length = *length;
  return fault;
}

std::string format_fault(const FaultSpec& fault) {
  return fmt::format("{}{}{}@{}+{}{}", fault_name(fault.kind), fault.sensor.empty() ? "" : ":", fault.sensor,
                     format_duration(fault.start), format_duration(fault.length),
                     fault.size == 0 ? "" : "*" + shortest(fault.size));
}

std::vector<Anomaly> anomalies_of(const std::vector<InjectedFault>& truth) {
  std::vector<Anomaly> out;
  for (const InjectedFault& fault : truth) {
    if (fault.kind == FaultKind::clock_skew) continue;  // no row is odd
    out.push_back({fault.start, fault.end, fault.sensor, fault.affected, Json(fault_name(fault.kind)), "simulated"});
  }
  return out;
}

std::uint64_t FaultRandom::bits() {  // splitmix64
  state_ += 0x9E3779B97F4A7C15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

double FaultRandom::uniform() { return static_cast<double>(bits() >> 11U) * 0x1.0p-53; }

double FaultRandom::normal() {  // Box and Muller; the second of the pair is not kept, so that calls stay independent
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

FaultInjector::FaultInjector(const std::vector<std::string>& columns, std::vector<FaultSpec> faults, std::uint64_t seed,
                             std::span<const double> deviations)
    : random_(seed ^ 0xFA017ULL) {
  for (FaultSpec& fault : faults) {
    State state;
    if (fault.kind != FaultKind::clock_skew) state.column = column_index(columns, fault.sensor, "fault");
    if (fault.size == 0) fault.size = facts(fault.kind).size;
    if (!deviations.empty()) state.deviation = deviations[state.column];
    state.fault = std::move(fault);
    states_.push_back(std::move(state));
  }
}

double FaultInjector::faulty(State& state, double value, Nanoseconds time, Nanoseconds since) {
  const FaultSpec& fault = state.fault;
  const double deviation = state.deviation > 0 ? state.deviation
                           : state.count > 1   ? std::sqrt(state.squares / state.count)
                                               : 0;
  // A sensor that has not moved so far has no deviation to count in: a hundredth of its value stands in.
  const double unit = deviation > 0 ? deviation : std::max(std::fabs(value) * 0.01, 1e-6);
  const double share = static_cast<double>(since) / static_cast<double>(fault.length.ns);
  switch (fault.kind) {
    case FaultKind::offset:
      return value + fault.size * unit;
    case FaultKind::drift:
      return value + fault.size * unit * share;
    case FaultKind::stuck:
      return state.held;
    case FaultKind::spike: {
      const double side = random_.uniform() < 0.5 ? -1 : 1;
      return random_.uniform() < kSpikeShare || since == 0 ? value + side * fault.size * unit : value;
    }
    case FaultKind::leak:
      return value * (1 - fault.size * std::min(1.0, share / kLeakGrowth));
    case FaultKind::noise:
      return value + fault.size * unit * random_.normal();
    case FaultKind::phase:
    case FaultKind::replay: {
      const auto lag = static_cast<Nanoseconds>(fault.size * 1e9);
      double late = state.past.empty() ? value : state.past.front().second;
      for (const auto& [when, past] : state.past) {
        if (when > time - lag) break;
        late = past;
      }
      return late;
    }
    case FaultKind::dead:
      return std::numeric_limits<double>::quiet_NaN();
    case FaultKind::out_of_range:
      return fault.size * (state.largest > 0 ? state.largest : 1);
    case FaultKind::clock_skew:
      break;
  }
  return value;
}

// Whether the fault is on; notes down its beginning.
bool FaultInjector::begin(State& state, Nanoseconds time, Nanoseconds now) {
  const FaultSpec& fault = state.fault;
  const Nanoseconds end = fault.start.ns + fault.length.ns;
  if (now < fault.start.ns || now >= end) return false;
  if (std::exchange(state.begun, true)) return true;
  InjectedFault known{fault.kind, fault.sensor, {}, time, origin_ + end - 1};
  if (!fault.sensor.empty()) known.affected.push_back(fault.sensor);
  truth_.push_back(std::move(known));
  return true;
}

void FaultInjector::apply(Row& row) {
  if (!started_) {
    started_ = true;
    origin_ = row.time;
  }
  const Nanoseconds now = row.time - origin_;
  row.clock_skew = 0;
  for (State& state : states_) {
    const FaultSpec& fault = state.fault;
    if (fault.kind == FaultKind::clock_skew) {
      if (begin(state, row.time, now)) row.clock_skew += static_cast<Nanoseconds>(fault.size * 1e9);
      continue;
    }
    double& cell = row.values[state.column];
    const double value = cell;
    if (std::isnan(value)) continue;
    if (!state.begun && state.count == 0) state.held = value;
    const bool on = begin(state, row.time, now);
    if (on) cell = faulty(state, value, row.time, now - fault.start.ns);
    if ((fault.kind == FaultKind::phase || fault.kind == FaultKind::replay) && now < fault.start.ns + fault.length.ns) {
      const auto lag = static_cast<Nanoseconds>(fault.size * 1e9);
      state.past.emplace_back(row.time, value);
      // The last value that is old enough is the one that is read.
      while (state.past.size() > 1 && state.past[1].first <= row.time - lag) state.past.pop_front();
    }
    if (now < fault.start.ns) {
      state.held = value;
      state.largest = std::max(state.largest, std::fabs(value));
      state.count += 1;
      const double from_mean = value - state.mean;
      state.mean += from_mean / state.count;
      state.squares += from_mean * (value - state.mean);
    }
  }
}

}  // namespace anomctl
