#include "anomctl/detection/replay.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kRowsBetweenProgress = 1024;

void read_row(const Part& part, std::size_t r, Row& row) {
  const std::span<const double> values = part.values.row(r);
  row.values.assign(values.begin(), values.end());
  row.time = part.times[r];
}

// The rows directly before `part`, stamped as if they had come one period apart.
std::size_t push_lead_in(BatchJudge& judge, const Part& lead, const Part& part, std::size_t window,
                         Nanoseconds period) {
  const std::size_t n = std::min(window, lead.values.rows());
  Row row;
  for (std::size_t i = 0; i < n; ++i) {
    read_row(lead, lead.values.rows() - n + i, row);
    row.time = part.times.front() - static_cast<Nanoseconds>(n - i) * period;
    judge.push(row);
  }
  return n;
}

}  // namespace

BatchJudge::BatchJudge(Detector& detector, const WindowModel& model, std::size_t batch, Sink sink)
    : detector_(detector), model_(model), batch_(std::max<std::size_t>(1, batch)), sink_(std::move(sink)) {}

void BatchJudge::push(const Row& row) {
  const auto window = detector_.prepare(row);
  has_window_.push_back(window.has_value());
  if (window) {
    windows_.insert(windows_.end(), window->begin(), window->end());
    ++n_windows_;
  }
  if (n_windows_ >= batch_ || has_window_.size() >= 16 * batch_) flush();
}

void BatchJudge::flush() {
  if (n_windows_ > 0) model_.expect(windows_, n_windows_, expectation_);
  std::size_t at = 0;
  for (const std::uint8_t has_window : has_window_) {
    const Verdict verdict = has_window != 0
                                ? detector_.judge(expectation_.forecast.row(at), expectation_.reconstruction.row(at))
                                : detector_.judge({}, {});
    at += has_window;
    sink_(done_++, verdict, detector_.last_score());
  }
  windows_.clear();
  has_window_.clear();
  n_windows_ = 0;
}

void replay(Detector& detector, const WindowModel& model, const Part& part, const ReplayOptions& options,
            const BatchJudge::Sink& sink) {
  std::vector<std::size_t> rows;  // index of each row that was pushed
  std::size_t lead = 0;
  BatchJudge judge(detector, model, options.batch,
                   [&](std::size_t number, const Verdict& verdict, const RowScore& score) {
                     if (number >= lead) sink(rows[number - lead], verdict, score);
                   });
  Row row;
  bool follows = false;
  if (options.lead_in != nullptr && part.values.rows() > 0) {
    detector.restart();
    const Nanoseconds period = part.times.size() > 1 ? part.times[1] - part.times[0] : kSecond;
    lead = push_lead_in(judge, *options.lead_in, part, detector.window(), period);
    follows = true;
  }
  for (const RowRange& run : part.runs) {
    if (!follows) detector.restart();
    follows = false;
    bool left_out = false;
    for (std::int64_t i = run.first; i <= run.last; ++i) {
      const auto r = static_cast<std::size_t>(i);
      if (r % kRowsBetweenProgress == 0) {
        if (options.stop.stop_requested()) return;
        if (options.on_progress) options.on_progress(r);
      }
      if (!options.use.empty() && options.use[r] == 0) {
        left_out = true;
        continue;
      }
      if (std::exchange(left_out, false)) detector.restart();
      read_row(part, r, row);
      rows.push_back(r);
      judge.push(row);
    }
  }
  judge.flush();
  if (options.on_progress) options.on_progress(part.values.rows());
}

std::vector<double> score_rows(const std::shared_ptr<const Bundle>& bundle, const WindowModel& model, const Part& part,
                               const ReplayOptions& options) {
  std::vector<double> scores(part.values.rows(), kNaN);
  Detector detector(bundle, nullptr, {});
  replay(detector, model, part, options,
         [&](std::size_t row, const Verdict& verdict, const RowScore&) { scores[row] = verdict.score; });
  return scores;
}

HeldOutErrors held_out_errors(const std::shared_ptr<const Bundle>& bundle, const WindowModel& model, const Part& part,
                              const ReplayOptions& options) {
  // The errors are what the normalisation is fitted on, so they are collected under a score that needs none.
  auto plain = std::make_shared<Bundle>(*bundle);
  plain->score = ScoreSettings::reference(bundle->score.gamma);
  plain->panel.reset();  // the network alone
  HeldOutErrors errors;
  Detector detector(plain, nullptr, {});
  replay(detector, model, part, options, [&](std::size_t, const Verdict&, const RowScore& score) {
    if (!score.scored ||
        std::any_of(score.per_sensor.begin(), score.per_sensor.end(), [](double v) { return std::isnan(v); }))
      return;
    errors.forecast.append_row(score.forecast);
    errors.reconstruction.append_row(score.reconstruction);
    errors.actual.append_row(score.actual);
  });
  return errors;
}

}  // namespace anomctl
