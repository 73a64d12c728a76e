#include "detection/detector_state.h"

#include <cmath>
#include <numeric>
#include <utility>

namespace anomctl {
namespace {

Nanoseconds nanoseconds(double s) { return static_cast<Nanoseconds>(std::llround(s * 1e9)); }

IntakeSettings intake_settings(const Bundle& bundle, const DetectorOptions& options) {
  IntakeSettings settings;
  settings.window = static_cast<std::size_t>(bundle.settings.window_size);
  settings.sensors = bundle.columns.size();
  settings.max_gap = nanoseconds(options.max_gap_periods * bundle.period_s);
  settings.settle = nanoseconds(bundle.settle_s);
  settings.max_hold_rows = options.max_hold_rows;
  settings.active = Condition::parse(options.active_when.value_or(bundle.active_when), bundle.column_names());
  // The mean of the train rows, else the middle of their range.
  const double middle = bundle.scaler.kind() == Scaler::Kind::minmax ? 0.5 : 0.0;
  for (std::size_t c = 0; c < settings.sensors; ++c) settings.typical.push_back(bundle.scaler.unscale_value(c, middle));
  if (const PanelVoices* voices = bundle.panel_voices()) settings.typical = voices->mean;
  return settings;
}

SensorFaults sensor_faults(const Bundle& bundle, const DetectorOptions& options) {
  SensorFaultSettings settings = options.faults;
  settings.dead_rows = options.max_hold_rows;
  return {std::move(settings), bundle.column_names(), bundle.sensor_limits};
}

}  // namespace

Detector::State::State(std::shared_ptr<const Bundle> b, std::shared_ptr<const WindowModel> m, DetectorOptions o)
    : bundle(std::move(b)),
      model(std::move(m)),
      options(std::move(o)),
      targets(bundle->targets()),
      limit(options.threshold ? options.threshold : bundle->threshold()),
      intake(intake_settings(*bundle, options), bundle->scaler, sensor_faults(*bundle, options)),
      forecast(targets.size()),
      missing(targets.size()),
      smoothing(bundle->score.smoothing, targets.size(), bundle->score.usual),
      episodes(options.episodes, options.asset, bundle->name),
      faults(options.asset, bundle->name, bundle->columns, options.episodes.off_rows) {
  if (bundle->panel != nullptr)
    panel.emplace(bundle->panel, options.healthy_start);
  else if (bundle->voices != nullptr)
    memory.emplace(bundle->voices, options.healthy_start);
  else
    return;
  all_sensors.resize(bundle->columns.size());
  std::iota(all_sensors.begin(), all_sensors.end(), std::size_t{0});
}

}  // namespace anomctl
