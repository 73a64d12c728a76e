// Judges rows one after another: gaps -> ring of rows -> scaler -> window model -> score -> limit -> episodes -> causes -> verdict.
// The same object judges a row from a file and a row from a broker, so live equals replay.
// Thread rule: one thread an object; the bundle and model behind it are shared and constant.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "anomctl/core/row.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/detection/verdict.h"
#include "anomctl/model/window_model.h"

namespace anomctl {

struct EpisodeSettings {
  std::int64_t on_rows = 1;       // rows over the limit before an episode opens
  std::int64_t off_rows = 10;     // rows under the limit before it closes
  double dead_band = 0;           // an open episode ends only under limit * (1 - dead_band)
};

struct DetectorOptions {
  std::string asset;                   // part of the verdict's id
  std::optional<double> threshold;     // instead of the bundle's
  double max_gap_periods = 5;          // a longer pause starts the window anew
  EpisodeSettings episodes;
};

// All that is known of one row's score, for `score --details`, evaluate and the report.
struct RowScore {
  bool scored = false;                 // false while warming up or idle
  double total = 0;
  std::vector<double> forecast, reconstruction, actual, per_sensor;  // (targets), scaled units
};

class Detector {
 public:
  Detector(std::shared_ptr<const Bundle> bundle, std::shared_ptr<const WindowModel> model, DetectorOptions options);
  ~Detector();
  Detector(Detector&&) noexcept;

  // prepare, one forward pass, judge.
  Verdict push(const Row& row);

  // The two halves, so that many assets' windows go through one batch: `prepare` takes the row in and returns the scaled window
  // (w, k) that ends with it (valid until the next call), or nothing while warming up; `judge` gives the row's verdict from the
  // model's outputs for that window (empty spans after nothing).
  std::optional<std::span<const float>> prepare(const Row& row);
  Verdict judge(std::span<const float> forecast, std::span<const float> reconstruction);

  const RowScore& last_score() const;
  // The next row does not follow the last one (border of a run, restart of a plant).
  void restart();
  // All state between rows, versioned; restoring it goes on as if nothing had happened.
  std::string snapshot() const;
  void restore(const std::string& snapshot);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace anomctl
