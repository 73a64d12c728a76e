// Drives a Detector over rows that are all there already: the same verdicts as row by row, with windows judged in
// batches. Thread rule: one thread a call.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "anomctl/data/data_set.h"
#include "anomctl/detection/detector.h"
#include "anomctl/detection/score.h"

namespace anomctl {

// Rows in, verdicts out in the same order; a verdict comes out once its batch is full or `flush` is called.
class BatchJudge {
 public:
  // `number` counts the pushed rows from 0.
  using Sink = std::function<void(std::size_t number, const Verdict& verdict, const RowScore& score)>;
  // Requires: detector and model outlive this.
  BatchJudge(Detector& detector, const WindowModel& model, std::size_t batch, Sink sink);
  void push(const Row& row);
  void flush();

 private:
  Detector& detector_;
  const WindowModel& model_;
  std::size_t batch_;
  Sink sink_;
  std::vector<float> windows_;            // (waiting with a window, w, k)
  std::vector<std::uint8_t> has_window_;  // one a waiting row
  std::size_t n_windows_ = 0, done_ = 0;
  Expectation expectation_;
};

struct ReplayOptions {
  std::size_t batch = 256;
  const Part* lead_in =
      nullptr;  // rows that came directly before: its last w warm the detector up and are not reported
  std::vector<std::uint8_t> use;  // one a row, 0: left out, and the row after starts anew; empty: all
  std::function<void(std::size_t done)> on_progress;  // rows done, now and then
  std::stop_token stop;                               // ends early
};

// Every row of `part` in order; the detector starts anew at each border of `part.runs`. The sink's number is the row's
// index; rows left out are not reported.
void replay(Detector& detector, const WindowModel& model, const Part& part, const ReplayOptions& options,
            const BatchJudge::Sink& sink);

// The score of each row of `part` (bundle's score settings), NaN where there is none.
std::vector<double> score_rows(const std::shared_ptr<const Bundle>& bundle, const WindowModel& model, const Part& part,
                               const ReplayOptions& options = {});

// Forecast, reconstruction and actual of every row of `part` that can be judged and whose model outputs are finite, for
// fit_score.
HeldOutErrors held_out_errors(const std::shared_ptr<const Bundle>& bundle, const WindowModel& model, const Part& part,
                              const ReplayOptions& options = {});

// What a server tells of a row with a panel, for who keeps the state between rows: PanelParts without `expected`, and
// MTAD-GAT's contributions (0 where it is not run).
enum class MemberPart : std::size_t { z, relation, var, network, contribution };
inline constexpr std::size_t kMemberParts = 5;

// What windows tell without the rows before them: for a server.
struct WindowScores {
  std::vector<double> score;    // n, before smoothing over rows
  Matrix<double> contribution;  // (n, k), 0 for a sensor that is not predicted; NaN never
  Matrix<double> expected;      // (n, k), in the sensor's unit; of a sensor that is not predicted its last value
  Matrix<double> members;       // (n, kMemberParts * k), one part after another; (n, 0) without a panel
};
struct Windows {
  std::size_t n = 0;
  std::span<const double> values;              // (n, w + 1, k) in the sensors' units
  std::span<const std::uint8_t> missing = {};  // (n, k): values of the last rows that only stand in; empty: none
};
// Throws Error(bad_input) for values that are not finite.
WindowScores score_windows(const Bundle& bundle, const WindowModel& model, const Windows& windows);
// Scores the middle of each sensor's range, so that a model which cannot is never put to work. Throws Error(failed).
void self_test(const Bundle& bundle, const WindowModel& model);

}  // namespace anomctl
