#include "anomctl/detection/blind_spots.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

constexpr std::int64_t kSettleRows = 50;    // after warm-up, for what is smoothed
constexpr std::int64_t kReplayFaults = 10;  // a replayed course is so many faults old, where rows allow
constexpr std::int64_t kTriesAPlace = 4;

struct Place {
  std::int64_t first = 0;  // row of the fault's beginning
  std::string before;      // the detector just before it
};

std::vector<RowRange> normal_stretches(const Part& part, const std::vector<std::uint8_t>& normal) {
  std::vector<RowRange> out;
  for (const RowRange& run : part.runs) {
    RowRange stretch{run.first, run.first - 1};
    for (std::int64_t r = run.first; r <= run.last; ++r) {
      if (normal[static_cast<std::size_t>(r)] != 0) {
        stretch.last = r;
        continue;
      }
      if (stretch.size() > 0) out.push_back(stretch);
      stretch = {r + 1, r};
    }
    if (stretch.size() > 0) out.push_back(stretch);
  }
  return out;
}

class Driller {
 public:
  Driller(const std::shared_ptr<const Bundle>& bundle, const std::shared_ptr<const WindowModel>& model,
          const Part& part, const std::vector<double>& deviations, const DrillSettings& settings)
      : bundle_(*bundle),
        part_(part),
        deviations_(deviations),
        settings_(settings),
        detector_(bundle, model, settings.detector) {
    for (const Column& column : bundle->columns) names_.push_back(column.name);
  }

  // Lead rows and places; throws where there is none.
  void find_places(const std::vector<std::uint8_t>& normal, std::stop_token stop, Drill& drill) {
    const std::int64_t warm =
        std::max(bundle_.settings.window_size, bundle_.panel ? static_cast<std::int64_t>(bundle_.panel->warm_up) : 0);
    const std::int64_t least = std::max(warm + kSettleRows, settings_.fault_rows);
    const std::vector<RowRange> stretches = normal_stretches(part_, normal);
    std::int64_t longest = 0;
    for (const RowRange& s : stretches) longest = std::max(longest, s.size());
    if (longest < least + settings_.fault_rows)
      throw input_error(
          fmt::format("a drill needs {} normal rows in one stretch ({} before the fault, {} of it), the longest has {}",
                      least + settings_.fault_rows, least, settings_.fault_rows, longest));
    replay_rows_ = settings_.replay_rows > 0 ? settings_.replay_rows : kReplayFaults * settings_.fault_rows;
    lead_ = std::clamp(replay_rows_, least, std::max(least, longest / 2));  // the rest leaves places to choose from
    replay_rows_ = std::min(replay_rows_, lead_);
    drill.lead_rows = lead_;
    std::vector<std::int64_t> starts;
    for (const RowRange& s : stretches)
      for (std::int64_t r = s.first + lead_; r + settings_.fault_rows - 1 <= s.last; ++r) starts.push_back(r);
    const auto n = static_cast<std::int64_t>(starts.size());
    const std::int64_t tries = std::min(n, settings_.places * kTriesAPlace);
    // Spread over all rows whatever number of them is taken: every fourth first, then those between.
    for (std::int64_t offset = 0; offset < kTriesAPlace; ++offset) {
      for (std::int64_t i = offset; i < tries; i += kTriesAPlace) {
        if (static_cast<std::int64_t>(places_.size()) == settings_.places || stop.stop_requested()) break;
        if (auto place = quiet(starts[static_cast<std::size_t>((2 * i + 1) * n / (2 * tries))]))
          places_.push_back(std::move(*place));
        else
          ++drill.loud;
      }
    }
    drill.places = static_cast<std::int64_t>(places_.size());
    if (places_.empty() && !stop.stop_requested())
      throw input_error(fmt::format(
          "there were alerts, or the asset was idle, at all {} places tried in the normal rows", drill.loud));
  }

  DrillCase run(std::size_t sensor, FaultKind kind, double size) {
    DrillCase out{sensor, kind, size, 0, 0, 0, std::numeric_limits<double>::quiet_NaN()};
    std::vector<double> delays;
    for (const Place& place : places_) {
      detector_.restore(place.before);
      FaultInjector injector(names_, {fault(sensor, kind, size)},
                             settings_.seed + static_cast<std::uint64_t>(place.first), deviations_);
      // What a replayed sensor showed, and a stuck one last.
      for (std::int64_t r = place.first - lead_; r < place.first; ++r) {
        Row row = row_at(r, place.first - lead_);
        injector.apply(row);
      }
      bool changed = false, told = false;
      for (std::int64_t r = place.first; r < place.first + settings_.fault_rows && !told; ++r) {
        Row row = row_at(r, place.first - lead_);
        const double value = row.values[sensor];
        injector.apply(row);
        const double now = row.values[sensor];
        changed = changed || (now != value && !(std::isnan(now) && std::isnan(value)));
        row.time = time_at(r);
        detector_.push(row);
        const std::vector<Episode> events = detector_.take_episodes();
        told = changed && !events.empty();
        if (!told) continue;
        ++out.found;
        delays.push_back(static_cast<double>(r - place.first));
        const auto& causes = events.front().causes;
        out.named += !causes.empty() && causes.front().sensor == names_[sensor];
      }
      out.tried += changed;
    }
    if (!delays.empty()) {
      std::ranges::sort(delays);
      out.delay_rows = delays[(delays.size() - 1) / 2];
    }
    return out;
  }

 private:
  Nanoseconds time_at(std::int64_t r) const { return part_.times[static_cast<std::size_t>(r)]; }
  // Stamped by the period, so that the injector's times do not depend on pauses in the data.
  Row row_at(std::int64_t r, std::int64_t origin) const {
    const auto values = part_.values.row(static_cast<std::size_t>(r));
    Row row;
    row.values.assign(values.begin(), values.end());
    row.time = stamp(r - origin);
    return row;
  }
  Nanoseconds stamp(std::int64_t rows) const {
    return static_cast<Nanoseconds>(static_cast<double>(rows) * bundle_.period_s * 1e9);
  }
  FaultSpec fault(std::size_t sensor, FaultKind kind, double size) const {
    FaultSpec spec;
    spec.kind = kind;
    spec.sensor = names_[sensor];
    spec.start.ns = stamp(lead_);
    spec.length.ns = stamp(settings_.fault_rows) + 1;
    spec.size = kind == FaultKind::replay ? static_cast<double>(replay_rows_) * bundle_.period_s : size;
    return spec;
  }

  // The place, if nothing is told there without a fault and every row is judged.
  std::optional<Place> quiet(std::int64_t first) {
    detector_.restart();
    detector_.take_episodes();
    const auto push = [&](std::int64_t r) {
      Row row = row_at(r, 0);
      row.time = time_at(r);
      return detector_.push(row).state;
    };
    std::int64_t open = 0;
    for (std::int64_t r = first - lead_; r < first; ++r) {
      push(r);
      for (const Episode& e : detector_.take_episodes()) open += e.closed ? -1 : 1;
    }
    Place place{first, detector_.snapshot()};
    bool good = open <= 0;
    for (std::int64_t r = first; r < first + settings_.fault_rows && good; ++r)
      good = push(r) == State::normal && detector_.take_episodes().empty();
    if (!good) return std::nullopt;
    return place;
  }

  const Bundle& bundle_;
  const Part& part_;
  const std::vector<double>& deviations_;
  const DrillSettings& settings_;
  Detector detector_;
  std::vector<std::string> names_;
  std::vector<Place> places_;
  std::int64_t lead_ = 0, replay_rows_ = 0;
};

}  // namespace

bool has_size(FaultKind kind) {
  switch (kind) {
    case FaultKind::offset:
    case FaultKind::drift:
    case FaultKind::noise:
    case FaultKind::spike:
      return true;
    case FaultKind::stuck:
    case FaultKind::replay:
    case FaultKind::dead:
      return false;
    default:
      throw UsageError(
          fmt::format("a drill knows offset, drift, noise, spike, stuck, replay and dead, not {}", fault_name(kind)));
  }
}

Drill find_blind_spots(const std::shared_ptr<const Bundle>& bundle, const std::shared_ptr<const WindowModel>& model,
                       const Part& part, const std::vector<std::uint8_t>& normal, const std::vector<double>& deviations,
                       const std::vector<std::size_t>& sensors, const DrillSettings& settings,
                       const std::function<void(std::size_t done, std::size_t all)>& on_progress,
                       std::stop_token stop) {
  Drill drill;
  Driller driller(bundle, model, part, deviations, settings);
  driller.find_places(normal, stop, drill);
  std::vector<std::pair<FaultKind, double>> faults;
  for (const FaultKind kind : settings.kinds) {
    if (has_size(kind))
      for (const double size : settings.sizes) faults.emplace_back(kind, size);
    else
      faults.emplace_back(kind, 0);
  }
  for (const std::size_t sensor : sensors) {
    for (const auto& [kind, size] : faults) {
      if (stop.stop_requested()) return drill;
      drill.cases.push_back(driller.run(sensor, kind, size));
      if (on_progress) on_progress(drill.cases.size(), sensors.size() * faults.size());
    }
  }
  return drill;
}

}  // namespace anomctl
