#include "commands/evaluate/comparison.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/detection/range_metrics.h"
#include "anomctl/detection/replay.h"
#include "anomctl/model/cheap_detectors.h"
#include "anomctl/model/linear_part.h"
#include "anomctl/model/mtad_gat_network.h"
#include "commands/evaluate/eval_view.h"
#include "commands/train_work/train_rows.h"

namespace anomctl {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Scores of one detector on the normal train rows, which its limit comes from, and on the eval rows.
struct Series {
  std::string name, group;
  std::vector<double> train, eval;
};

bool says_anything(const std::vector<double>& scores) {
  return std::any_of(scores.begin(), scores.end(), [](double v) { return std::isfinite(v); });
}

class Comparison {
 public:
  Comparison(const ComparisonInput& in, Progress& progress, std::stop_token stop)
      : in_(in), progress_(progress), stop_(std::move(stop)), view_(in.set, in.settings) {}

  std::vector<Series> series() {
    of_bundle();
    if (in_.networks) of_network();
    of_cheap_detectors();
    return std::move(series_);
  }

 private:
  // Scores by another bundle than the one that is judged: on the normal train rows, and on eval.
  std::pair<MemberScores, MemberScores> passes(const std::shared_ptr<const Bundle>& bundle, const WindowModel& model) {
    MemberScores train = train_scores(bundle, model, in_.set, in_.settings, progress_, stop_);
    MemberScores eval = eval_scores(bundle, model, in_.set, in_.settings, progress_, stop_);
    if (stop_.stop_requested()) throw failed("stopped before all rows were judged");
    return {std::move(train), std::move(eval)};
  }
  void add(std::string name, std::string group, std::vector<double> train, std::vector<double> eval) {
    if (says_anything(eval)) series_.push_back({std::move(name), std::move(group), std::move(train), std::move(eval)});
  }

  void of_bundle() {
    const Bundle& b = *in_.bundle;
    const MemberScores &train = in_.train, &eval = in_.judged.members;
    add(b.panel == nullptr ? "MTAD-GAT (this bundle)" : "panel (this bundle)", "bundle", train.score, eval.score);
    if (b.panel == nullptr) return of_linear_panel();
    const auto linear = [](const MemberScores& p) {
      std::vector<double> out(p.score.size(), 0);
      for (std::size_t r = 0; r < out.size(); ++r)
        for (std::size_t m = 0; m < kPanelMembers; ++m) out[r] += p.members[m][r] / kPanelMembers;
      return out;
    };
    if (b.panel->voice > 0 || b.network_voice > 0)
      add("panel without its networks", "panel", linear(train), linear(eval));
    for (std::size_t m = 0; m < kPanelMembers; ++m) add(member_name(m), "member", train.members[m], eval.members[m]);
    add("member: relation network", "network", train.members[kPanelMembers], eval.members[kPanelMembers]);
    if (b.runs_network()) add("member: MTAD-GAT", "network", train.members.back(), eval.members.back());
  }
  // A bundle of MTAD-GAT alone is compared with the linear panel on the same rows.
  void of_linear_panel() {
    auto bundle = std::make_shared<Bundle>(*in_.bundle);
    try {
      bundle->panel = std::make_shared<PanelModel>(
          fit_panel(in_.set.train.values, in_.set.train.runs, normal_rows(in_.set.train), {}));
    } catch (const Error& error) {
      log_warning("no panel to compare with: {}", error.what());
      return;
    }
    bundle->network_voice = 0;
    auto [train, eval] = passes(bundle, in_.model);
    add("panel, linear members only", "panel", std::move(train.score), std::move(eval.score));
    for (std::size_t m = 0; m < kPanelMembers; ++m)
      add(member_name(m), "member", std::move(train.members[m]), std::move(eval.members[m]));
  }
  static std::string member_name(std::size_t m) {
    static constexpr std::array<const char*, kPanelMembers> kNames = {"member: chart", "member: relation",
                                                                      "member: VAR"};
    return kNames[m];
  }

  // MTAD-GAT by itself, without what its network learnt, and with the weights that the training began with.
  void of_network() {
    const Bundle& b = *in_.bundle;
    if (b.weights.empty()) return;
    auto alone = std::make_shared<Bundle>(b);
    alone->panel.reset();
    alone->kind = "mtad-gat";
    if (!b.runs_network()) {
      auto [train, eval] = passes(alone, *open_window_model(*alone, 0));
      add("MTAD-GAT (silent here)", "network", std::move(train.score), std::move(eval.score));
    }
    if (b.settings.linear_rows > 0) with_weights(*alone, linear_part_alone(b.settings, b.weights), kLinearPartAlone);
    with_weights(*alone, initial_weights(b.settings, in_.seed), kUntrained);
  }
  void with_weights(const Bundle& network, TensorMap weights, const char* name) {
    const auto alone = std::make_shared<Bundle>(network);
    alone->weights = std::move(weights);
    const auto model = open_window_model(*alone, 0);
    if (network.score.kind != "reference") {
      const auto n = static_cast<std::int64_t>(in_.set.train.values.rows());
      const Part held = slice(in_.set.train, n - n / 10 - 1, n - 1);
      try {
        alone->score = fit_score(network.score, held_out_errors(alone, *model, held));
      } catch (const Error& error) {
        log_warning("{} is not compared: {}", name, error.what());
        return;
      }
    }
    auto [train, eval] = passes(alone, *model);
    add(name, "network", std::move(train.score), std::move(eval.score));
  }

  void of_cheap_detectors() {
    if (in_.cheap == nullptr) return;
    const auto train = in_.cheap->scores(in_.set.train.values, in_.set.train.runs, normal_rows(in_.set.train));
    const auto eval = in_.cheap->scores(in_.set.eval.values, view_.part().runs);
    const auto names = in_.cheap->names();
    for (std::size_t d = 0; d < names.size(); ++d) add(names[d], "cheap", column(train, d), column(eval, d));
  }
  static std::vector<double> column(const Matrix<double>& scores, std::size_t d) {
    std::vector<double> out(scores.rows());
    for (std::size_t r = 0; r < out.size(); ++r) out[r] = scores(r, d);
    return out;
  }

  const ComparisonInput& in_;
  Progress& progress_;
  std::stop_token stop_;
  EvalView view_;
  std::vector<Series> series_;
};

double limit_of(std::vector<double> train) {
  std::erase_if(train, [](double v) { return !std::isfinite(v); });
  if (train.empty()) return kNaN;
  try {
    return pot_threshold(train, {});
  } catch (const Error&) {
    return epsilon_threshold(train);
  }
}

Json number_or_null(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json();
}

// Rows that every series has a score for: one that warms up longer must not be judged on easier rows.
Flags common_rows(const std::vector<Series>& all) {
  Flags rows(all.front().eval.size(), 1);
  for (const Series& s : all)
    for (std::size_t r = 0; r < rows.size(); ++r) rows[r] = rows[r] != 0 && std::isfinite(s.eval[r]);
  return rows;
}

Json figures_of(const Series& s, const Flags& rows, double limit, const ComparisonInput& in) {
  Judgement judged;
  judged.scores.assign(s.eval.size(), kNaN);
  judged.flagged.assign(s.eval.size(), 0);
  judged.alarmed.assign(s.eval.size(), 0);
  EpisodeTracker tracker(in.settings.episodes, "", "");
  const std::vector<Cause> no_causes;
  std::vector<Episode> events;
  EpisodeRows found;
  std::vector<double> scores;
  Flags labels, flags;
  std::size_t run = 0;
  const auto& runs = in.set.eval.runs;
  for (std::size_t r = 0; r < s.eval.size(); ++r) {
    while (run < runs.size() && runs[run].last < static_cast<std::int64_t>(r)) {
      ++run;
      if (!in.settings.one_series) tracker.restart(events);
    }
    if (rows[r] == 0) continue;
    const bool over = s.eval[r] >= limit;
    judged.scores[r] = s.eval[r];
    judged.flagged[r] = over;
    scores.push_back(s.eval[r]);
    labels.push_back(in.set.eval.labels[r]);
    flags.push_back(over);
    if (std::isnan(limit)) continue;
    tracker.push({in.set.eval.times[r], s.eval[r], limit, &no_causes}, events);
    judged.alarmed[r] = !tracker.current_id().empty() && over;
    if (judged.alarmed[r] != 0) found.take(tracker.current_id(), static_cast<std::int64_t>(r), s.eval[r]);
  }
  judged.episodes = std::move(found.episodes);
  const EventMetrics events_found = events_of(judged, in.set);
  const auto volume = volume_under_surface(scores, labels, kVolumeBuffer);
  const auto near = affiliation(flags, labels);
  const bool has_limit = std::isfinite(limit);
  Json out = Json::object();
  out["pr_auc"] = number_or_null(average_precision(scores, labels));
  out["roc_auc"] = number_or_null(roc_auc(scores, labels));
  out["vus_pr"] = volume ? Json(volume->pr) : Json();
  out["best_f1_oracle"] = best_f1(scores, labels).f1;
  out["threshold"] = has_limit ? Json(limit) : Json();
  out["f1"] = has_limit ? Json(point_metrics(confusion(flags, labels)).f1) : Json();
  out["affiliation_f1"] = has_limit && near ? number_or_null(near->f1()) : Json();
  out["event_recall"] = has_limit && events_found.judged > 0 ? Json(events_found.recall) : Json();
  out["false_episodes_per_day"] = has_limit ? number_or_null(events_found.false_episodes_per_day) : Json();
  out["delay_seconds_median"] =
      has_limit && events_found.median_delay_rows ? Json(*events_found.median_delay_rows * in.set.period_s) : Json();
  return out;
}

double ranking(const ComparedDetector& d) { return d.figures.number_or("pr_auc", 0); }

}  // namespace

std::vector<ComparedDetector> compare(const ComparisonInput& in, Progress& progress, std::stop_token stop) {
  const auto& labels = in.set.eval.labels;
  if (std::find(labels.begin(), labels.end(), 1) == labels.end()) return {};
  const auto series = Comparison(in, progress, std::move(stop)).series();
  if (series.empty()) return {};
  const Flags rows = common_rows(series);
  const auto has = [&](std::uint8_t label) {
    for (std::size_t r = 0; r < rows.size(); ++r)
      if (rows[r] != 0 && (labels[r] != 0) == (label != 0)) return true;
    return false;
  };
  if (!has(0) || !has(1)) return {};
  std::vector<ComparedDetector> out;
  for (const Series& s : series) {
    const double limit = s.group == "bundle" ? in.bundle->threshold().value_or(kNaN) : limit_of(s.train);
    out.push_back({s.name, s.group, s.eval, figures_of(s, rows, limit, in)});
  }
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return ranking(a) > ranking(b); });
  return out;
}

}  // namespace anomctl
