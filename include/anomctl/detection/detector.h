// Judges rows one after another: gaps -> ring of rows -> scaler -> window model -> score -> limit -> episodes -> causes
// -> verdict. The same object judges a row from a file and a row from a broker, so live equals replay. A row is judged
// by two forward passes that other rows share: the forecast from the window that ends before it and the reconstruction
// of the window that ends with it. So a row costs one pass, and the first judged row is the (w + 1)-th of a run. Thread
// rule: one thread an object; the bundle and model behind it are shared and constant.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "anomctl/core/row.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/detection/episodes.h"
#include "anomctl/detection/sensor_faults.h"
#include "anomctl/detection/verdict.h"
#include "anomctl/model/panel_memory.h"
#include "anomctl/model/window_model.h"

namespace anomctl {

struct DetectorOptions {
  std::string asset;                // part of the verdict's id
  std::optional<double> threshold;  // instead of the bundle's
  double max_gap_periods = 5;  // a longer pause, or a stamp that does not advance, starts the window anew; 0: never
  std::int64_t max_hold_rows =
      10;  // a missing value is stood in for by the sensor's last one; longer than this it is a sensor fault
  std::int64_t healthy_start = 0;  // rows at the start of a run that are taken to be healthy, see PanelMemory
  EpisodeSettings episodes;
  SensorFaultSettings faults;              // dead_rows is max_hold_rows here
  std::optional<std::string> active_when;  // instead of the bundle's
};

// As kept beside verdicts, so that they can be judged again; without `asset`. `limit`: the one in force.
Json to_json(const DetectorOptions& options, std::optional<double> limit);
// Throws Error(bad_input).
DetectorOptions detector_options_from_json(const Json& json);

// All that is known of one row's score, for `score --details`, evaluate and the report. o targets.
struct RowScore {
  bool scored = false;                          // false while warming up or idle, and when no sensor has a value
  double raw = 0;                               // of this row alone, before smoothing over rows
  double total = 0;                             // the score
  std::vector<float> actual;                    // (o), scaled units
  std::vector<float> forecast, reconstruction;  // (o), scaled units; empty where no network was asked
  // What each member says of the row by itself, whatever its weight: the panel's linear members, the relation network,
  // MTAD-GAT smoothed; NaN for one that was not asked.
  std::array<double, kPanelMembers + 2> members{};
  // Contributions to `raw`, NaN for a sensor that takes no part, and what was expected, in the sensor's unit: of the
  // targets (o), of all sensors (k) where the panel judges.
  std::vector<double> per_sensor, expected;
};

// What was expected of each column (k), NaN of one that is not predicted; empty where the row has no score.
void expected_by_column(const Bundle& bundle, const RowScore& score, std::vector<double>& expected);

struct DetectorCounts {
  std::int64_t rows = 0, scored = 0, anomalous = 0, idle = 0;
  std::int64_t gaps = 0;           // pauses and stamps that did not advance
  std::int64_t missing_cells = 0;  // values that were not finite, or of broken sensors
  std::int64_t fault_rows = 0;     // with a sensor fault
};

class Detector {
 public:
  // `model` may be null when every row is judged by `judge_elsewhere`.
  Detector(std::shared_ptr<const Bundle> bundle, std::shared_ptr<const WindowModel> model, DetectorOptions options);
  ~Detector();
  Detector(Detector&&) noexcept;
  Detector& operator=(Detector&&) noexcept;

  // prepare, one forward pass, judge.
  Verdict push(const Row& row);

  // The two halves, so that many windows go through one batch: `prepare` takes the row in and returns the scaled window
  // (w, k) that ends with it (valid until the next call), or nothing while there is none; `judge` gives the verdict of
  // the oldest row that was prepared and not yet judged, from the model's outputs for its window (empty spans after
  // nothing). Several rows of one asset may be prepared before the first is judged.
  std::optional<std::span<const float>> prepare(const Row& row);
  Verdict judge(std::span<const float> forecast, std::span<const float> reconstruction);

  // The same for a row whose window of w + 1 rows was judged elsewhere (a V2 server): `window_elsewhere` gives them for
  // the row that was prepared last, where its verdict needs any; `judge_elsewhere` takes what came of it, or the default
  // where it gave nothing.
  struct Elsewhere {
    // (w + 1, k) in the sensors' units, held values in place of missing ones; with a panel the first row of the run also
    // stands for those before it. Valid until the next call.
    std::span<const double> rows;
    std::span<const std::uint8_t> missing;  // k, of the last row
  };
  std::optional<Elsewhere> window_elsewhere();
  struct Opinion {
    std::span<const double> contribution, expected;  // o, of the network
    const PanelParts* parts = nullptr;               // with a panel
  };
  Verdict judge_elsewhere(const Opinion& opinion);

  // The asset has said nothing since its last row: the no_data verdict of the instant `time`. The first after a row
  // opens an episode of kind no_data, which the next row closes; the window stays as it is. Requires: no row prepared
  // and not judged.
  Verdict silence(Nanoseconds last, Nanoseconds time);
  // A latched episode was seen and may close.
  void acknowledge();

  // Of the row judged last: its score, and its values as they came (k).
  const RowScore& last_score() const;
  std::span<const double> last_values() const;
  // Episodes that opened or closed since the last call.
  std::vector<Episode> take_episodes();
  const DetectorCounts& counts() const;
  const DetectorOptions& options() const;
  // Rows are prepared and not judged.
  bool has_prepared() const;
  std::optional<double> threshold() const;
  // Rows that come before the first judged one, w.
  std::size_t window() const;

  // The next row does not follow the last one (border of a run, restart of a plant).
  void restart();
  // All state between rows, versioned; restoring it goes on as if nothing had happened. Requires: no row prepared and
  // not judged.
  std::string snapshot() const;
  // A new detector goes on where `before` stands, whose bundle is another but has the same sensors. With equal settings
  // the state is the same; else the rows of its window go through this one unsaid. Open episodes, since when sensors are
  // broken or silent, and counts stay. Returns how many rows must come before the next is judged. Requires: no row
  // prepared and not judged; equal names of columns and period.
  std::size_t take_over(const Detector& before, const WindowModel& model);
  // Throws Error(bad_input) for a snapshot that is damaged or of another bundle or asset; the detector is then as new.
  void restore(const std::string& snapshot);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace anomctl
