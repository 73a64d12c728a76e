#include "commands/evaluate/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>

#include "anomctl/core/error.h"
#include "anomctl/detection/detector.h"
#include "anomctl/detection/metrics_reference.h"
#include "anomctl/detection/replay.h"
#include "commands/evaluate/eval_view.h"

namespace anomctl {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ReplayOptions replay_options(const JudgeSettings& settings, Progress& progress, std::stop_token stop) {
  ReplayOptions options;
  options.batch = settings.batch;
  options.stop = std::move(stop);
  options.on_progress = [&progress](std::size_t done) { progress.update(static_cast<std::int64_t>(done)); };
  return options;
}

Json optional_number(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

// Rows that have a score, side by side.
struct Scored {
  std::vector<double> scores;
  Flags labels, flagged, mask;
};
Scored scored_rows(const Judgement& judgement, const Flags& labels) {
  Scored out;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool has = std::isfinite(judgement.scores[i]);
    out.mask.push_back(has);
    if (!has) continue;
    out.scores.push_back(judgement.scores[i]);
    out.labels.push_back(labels[i]);
    out.flagged.push_back(judgement.flagged[i]);
  }
  return out;
}

}  // namespace

MemberScores::MemberScores(std::size_t rows) : score(rows, kNaN) { members.fill(std::vector<double>(rows, kNaN)); }

void MemberScores::take(std::size_t row, const RowScore& said) {
  if (!said.scored) return;
  score[row] = said.total;
  for (std::size_t m = 0; m < members.size(); ++m) members[m][row] = said.members[m];
}

void EpisodeRows::take(const std::string& id, std::int64_t row, double score) {
  const auto [found, is_new] = index_.try_emplace(id, episodes.size());
  if (is_new) {
    episodes.push_back({{row, row}, row, false, {}});
    peaks_.push_back(score);
  }
  FoundEpisode& episode = episodes[found->second];
  episode.rows.last = row;
  if (score <= peaks_[found->second]) return;
  peaks_[found->second] = score;
  episode.peak_row = row;
}

FoundEpisode* EpisodeRows::find(const std::string& id) {
  const auto found = index_.find(id);
  return found == index_.end() ? nullptr : &episodes[found->second];
}

MemberScores train_scores(const std::shared_ptr<const Bundle>& bundle, const WindowModel& model, const DataSet& set,
                          const JudgeSettings& settings, Progress& progress, std::stop_token stop) {
  auto options = replay_options(settings, progress, std::move(stop));
  options.use = normal_rows(set.train);
  progress.begin("score train rows", static_cast<std::int64_t>(set.train.values.rows()), "rows");
  MemberScores scores(set.train.values.rows());
  Detector detector(bundle, nullptr, DetectorOptions{});
  replay(detector, model, set.train, options,
         [&](std::size_t row, const Verdict&, const RowScore& said) { scores.take(row, said); });
  progress.end();
  return scores;
}

MemberScores eval_scores(const std::shared_ptr<const Bundle>& bundle, const WindowModel& model, const DataSet& set,
                         const JudgeSettings& settings, Progress& progress, std::stop_token stop) {
  const EvalView view(set, settings);
  auto options = replay_options(settings, progress, std::move(stop));
  options.lead_in = view.lead_in(set);
  MemberScores scores(set.eval.values.rows());
  Detector detector(bundle, nullptr, detector_options(settings));
  progress.begin("score eval rows", static_cast<std::int64_t>(set.eval.values.rows()), "rows");
  replay(detector, model, view.part(), options,
         [&](std::size_t row, const Verdict&, const RowScore& said) { scores.take(row, said); });
  progress.end();
  return scores;
}

std::vector<std::uint8_t> normal_rows(const Part& part) {
  std::vector<std::uint8_t> out;
  for (const auto label : part.labels) out.push_back(label == 0);
  return out;
}

Judgement judge(const std::shared_ptr<const Bundle>& bundle, const WindowModel& model, const DataSet& set,
                const JudgeSettings& settings, Progress& progress, std::stop_token stop) {
  const EvalView view(set, settings);
  const auto rows = set.eval.values.rows();
  auto options = replay_options(settings, progress, stop);
  options.lead_in = view.lead_in(set);
  Judgement out;
  out.scores.assign(rows, kNaN);
  out.members = MemberScores(rows);
  out.flagged.assign(rows, 0);
  out.alarmed.assign(rows, 0);
  out.expected = Matrix<float>(rows, bundle->targets().size(), std::numeric_limits<float>::quiet_NaN());
  Detector detector(bundle, nullptr, detector_options(settings));
  EpisodeRows found;
  std::vector<Episode> told;
  const auto collect = [&] {
    auto events = detector.take_episodes();
    std::move(events.begin(), events.end(), std::back_inserter(told));
  };
  progress.begin("judge eval rows", static_cast<std::int64_t>(rows), "rows");
  replay(detector, model, view.part(), options, [&](std::size_t row, const Verdict& verdict, const RowScore& score) {
    collect();
    if (verdict.state == State::warmup) ++out.warmup_rows;
    if (!score.scored) return;
    const auto at = static_cast<std::int64_t>(row);
    out.scores[row] = verdict.score;
    out.members.take(row, score);
    out.flagged[row] = verdict.is_anomaly;
    for (std::size_t i = 0; i < score.expected.size(); ++i)
      out.expected(row, i) = static_cast<float>(score.expected[i]);
    out.alarmed[row] = !verdict.episode.empty() && verdict.is_anomaly;
    if (out.alarmed[row] != 0) found.take(verdict.episode, at, verdict.score);
  });
  detector.restart();  // closes what is open
  collect();
  progress.end();
  if (stop.stop_requested()) throw failed("stopped before all rows were judged");
  for (auto& episode : told)
    if (FoundEpisode* one = found.find(episode.id)) one->told = std::move(episode);  // the last word stays
  out.episodes = std::move(found.episodes);
  for (auto& episode : out.episodes) {
    const auto first = set.eval.labels.begin() + episode.rows.first,
               end = set.eval.labels.begin() + episode.rows.last + 1;
    episode.false_alarm = std::find_if(first, end, [](auto label) { return label != 0; }) == end;
  }
  return out;
}

EventMetrics events_of(const Judgement& judgement, const DataSet& set) {
  Flags mask;
  for (const double score : judgement.scores) mask.push_back(std::isfinite(score));
  std::vector<RowRange> events, episodes;
  for (const auto& segment : set.segments) events.push_back(segment.rows);
  for (const auto& episode : judgement.episodes) episodes.push_back(episode.rows);
  return event_metrics({judgement.alarmed, set.eval.labels, mask, events, episodes, set.period_s});
}

Json figures(const Judgement& judgement, const DataSet& set, double threshold, const FigureSettings& settings) {
  const auto rows = scored_rows(judgement, set.eval.labels);
  if (rows.scores.empty())
    throw input_error(
        fmt::format("no row of {} could be scored: every run of eval is shorter than a window", set.folder.string()));
  const auto flagged = settings.reference ? reference_predict(rows.scores, threshold) : rows.flagged;
  const auto point =
      settings.reference ? reference_metrics(flagged, rows.labels) : point_metrics(confusion(flagged, rows.labels));
  const auto positives = std::count(rows.labels.begin(), rows.labels.end(), 1);
  const bool labelled = positives > 0;
  const auto scored = static_cast<std::int64_t>(rows.scores.size());
  const auto events = events_of(judgement, set);
  const auto in_seconds = [&](const std::optional<double>& delay) {
    return delay ? Json(*delay * set.period_s) : Json();
  };
  const auto if_labelled = [&](double value) { return labelled ? Json(value) : Json(); };

  Json out = Json::object();
  out["rows"] = static_cast<std::int64_t>(judgement.scores.size());
  out["scored_rows"] = scored;
  out["anomalous_share"] = static_cast<double>(positives) / static_cast<double>(scored);
  out["flagged_share"] =
      static_cast<double>(std::count(flagged.begin(), flagged.end(), 1)) / static_cast<double>(scored);
  out["threshold"] = threshold;
  out["f1"] = if_labelled(point.f1);
  out["precision"] = if_labelled(point.precision);
  out["recall"] = if_labelled(point.recall);
  out["roc_auc"] = optional_number(roc_auc(rows.scores, rows.labels));
  out["pr_auc"] = optional_number(average_precision(rows.scores, rows.labels));
  const Flags all(rows.labels.size(), 1);
  out["everything_anomalous_f1"] = if_labelled(point_metrics(confusion(all, rows.labels)).f1);
  const auto oracle = best_f1(rows.scores, rows.labels);
  out["best_f1_oracle"] = if_labelled(oracle.f1);
  out["best_f1_oracle_threshold"] = if_labelled(oracle.threshold);
  out["events"] = events.judged;
  out["events_found"] = events.found;
  out["event_recall"] = events.judged > 0 ? Json(events.recall) : Json();
  out["delay_rows_mean"] = optional_number(events.mean_delay_rows);
  out["delay_rows_median"] = optional_number(events.median_delay_rows);
  out["delay_seconds_mean"] = in_seconds(events.mean_delay_rows);
  out["delay_seconds_median"] = in_seconds(events.median_delay_rows);
  out["episodes"] = events.episodes;
  out["false_episodes"] = events.false_episodes;
  out["false_episodes_per_day"] = optional_number(events.false_episodes_per_day);
  out["normal_days"] = events.normal_days;
  if (settings.point_adjusted) {
    const auto adjusted = point_adjust(flagged, rows.labels);
    const auto pa =
        settings.reference ? reference_metrics(adjusted, rows.labels) : point_metrics(confusion(adjusted, rows.labels));
    out["pa_f1"] = if_labelled(pa.f1);
    out["pa_precision"] = if_labelled(pa.precision);
    out["pa_recall"] = if_labelled(pa.recall);
  }
  if (settings.reference) {
    const auto latency = reference_latency(flagged, rows.labels);
    out["latency_identified"] = static_cast<std::int64_t>(latency.identified.size());
    out["latency_average"] = latency.identified.empty() ? Json() : Json(latency.average_delay);
    const auto grid = reference_best_f1(rows.scores, rows.labels);
    out["best_f1_grid"] = if_labelled(grid.f1);
    out["best_f1_grid_threshold"] = if_labelled(grid.threshold);
  }
  return out;
}

std::string scores_csv(const Judgement& judgement) {
  std::string out = "row,score,is_anomaly\n";
  for (std::size_t i = 0; i < judgement.scores.size(); ++i) {
    if (std::isfinite(judgement.scores[i]))
      fmt::format_to(std::back_inserter(out), "{},{:.9g},{}\n", i, judgement.scores[i], judgement.flagged[i]);
    else
      fmt::format_to(std::back_inserter(out), "{},,\n", i);
  }
  return out;
}

}  // namespace anomctl
