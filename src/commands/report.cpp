#include "commands/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "anomctl/core/time.h"
#include "anomctl/deploy/container_images.h"
#include "commands/html_text.h"
#include "embedded/report_page.h"
#include "embedded/report_script.h"

namespace anomctl {
namespace {

constexpr std::size_t kScoreStretches = 1400;
constexpr std::size_t kSensorStretches = 700;
constexpr std::size_t kMostNumbers = 120'000;  // of all sensors together: wide data sets get coarser pictures
constexpr std::size_t kMostEpisodes = 300;
constexpr std::size_t kMostRuns = 2'000;
constexpr double kLongTail = 30;  // a peak of so many limits gets a logarithmic axis

// Six digits are more than a picture shows.
Json rounded(double v) {
  if (!std::isfinite(v)) return Json();
  const double scale = std::pow(10, 5 - std::floor(std::log10(std::max(std::fabs(v), 1e-300))));
  return v == 0 || !std::isfinite(scale) ? Json(0) : Json(std::round(v * scale) / scale);
}

// Least and largest value of each stretch of rows; null where a stretch has none.
template <class At>
Json thinned(std::size_t rows, std::size_t stretches, At&& at) {
  const std::size_t n = std::max<std::size_t>(1, std::min(rows, stretches));
  Json lo = Json::array(), hi = Json::array();
  for (std::size_t s = 0; s < n; ++s) {
    double least = std::numeric_limits<double>::infinity(), largest = -least;
    for (std::size_t r = rows * s / n; r < rows * (s + 1) / n; ++r) {
      const double v = at(r);
      if (std::isfinite(v)) least = std::min(least, v), largest = std::max(largest, v);
    }
    const bool any = least <= largest;
    lo.push_back(any ? rounded(least) : Json());
    hi.push_back(any ? rounded(largest) : Json());
  }
  Json out = Json::object();
  out["lo"] = std::move(lo);
  out["hi"] = std::move(hi);
  return out;
}

// Runs of eval as [first row, last row, first instant, last instant], in ms; null instants where the data set has no
// stamps: then it counts from 1970.
Json runs(const DataSet& set) {
  constexpr std::int64_t kNoStamps = 10 * 365 * kDay;
  Json out = Json::array();
  const auto ms = [&](std::int64_t row) {
    const Nanoseconds time = set.eval.times[static_cast<std::size_t>(row)];
    return time < kNoStamps ? Json() : Json(time / kMillisecond);
  };
  for (const RowRange& run : set.eval.runs) {
    if (out.size() == kMostRuns) return Json::array();
    out.push_back(Json(Json::Array{run.first, run.last, ms(run.first), ms(run.last)}));
  }
  return out;
}

Json cards(const ReportInput& in) {
  Json out = Json::array();
  const auto card = [&](const std::string& value, const std::string& text) {
    out.push_back(Json(Json::Array{value, text}));
  };
  const auto figure = [&](const char* key) -> std::optional<double> {
    const Json* v = in.figures.find(key);
    return v != nullptr && v->is_number() ? std::optional(v->as_double()) : std::nullopt;
  };
  const auto percent = [](double v) { return fmt::format("{:.0f} %", 100 * v); };
  const auto events = in.figures.int_or("events", 0);
  if (events == 0) {
    card(fmt::format("{}", in.judgement.episodes.size()), "episodes found");
    if (const auto v = figure("flagged_share")) card(percent(*v), "of the rows are over the limit");
    return out;
  }
  card(fmt::format("{} of {}", in.figures.int_or("events_found", 0), events), "labelled events found");
  if (const auto v = figure("delay_seconds_median")) card(spoken_duration(*v), "until half of them were flagged");
  card(
      fmt::format("{}", in.figures.int_or("false_episodes", 0)),
      "false episodes in " + spoken_duration(86'400 * in.figures.number_or("normal_days", 0)) + " of normal operation");
  if (const auto v = figure("precision")) card(percent(*v), "of the flagged rows are labelled (precision)");
  if (const auto v = figure("recall")) card(percent(*v), "of the labelled rows are flagged (recall)");
  if (const auto v = figure("pr_auc"))
    card(fmt::format("{:.3f}", *v), fmt::format("PR-AUC, by chance {:.3f}", figure("anomalous_share").value_or(0)));
  if (const auto v = figure("roc_auc")) card(fmt::format("{:.3f}", *v), "ROC-AUC, by chance 0.5");
  return out;
}

Json events(const ReportInput& in) {
  Json out = Json::array();
  for (const EventOutcome& event : events_of(in.judgement, in.set).events) {
    Json item = Json::object();
    item["first"] = event.rows.first;
    item["last"] = event.rows.last;
    item["judged"] = event.judged;
    item["found"] = event.found;
    item["delay"] = event.delay_rows;
    // What the data set knows of its cause: a simulated fault, or what a person said.
    for (const Segment& segment : in.set.segments)
      if (segment.rows.contains(event.rows.first)) item["cause"] = segment.root_cause;
    out.push_back(std::move(item));
  }
  return out;
}

Json episodes(const ReportInput& in) {
  Json out = Json::array();
  for (const FoundEpisode& e : in.judgement.episodes) {
    if (out.size() == kMostEpisodes) break;
    Json item = Json::object();
    item["first"] = e.rows.first;
    item["last"] = e.rows.last;
    item["peak"] = rounded(e.told.peak);
    item["false_alarm"] = e.false_alarm;
    item["causes"] = Json::array();
    for (const Cause& cause : e.told.causes) {
      Json one = Json::object();
      one["sensor"] = cause.sensor;
      one["share"] = rounded(cause.share);
      one["actual"] = rounded(cause.actual);
      one["expected"] = rounded(cause.expected);
      one["unit"] = cause.unit;
      item["causes"].push_back(std::move(one));
    }
    out.push_back(std::move(item));
  }
  return out;
}

// Whether the limit would be lost at the foot of a linear axis.
bool has_long_tail(const ReportInput& in) {
  double peak = 0;
  for (const double score : in.judgement.scores) {
    if (score < 0) return false;
    if (std::isfinite(score)) peak = std::max(peak, score);
  }
  return in.threshold > 0 && peak > kLongTail * in.threshold;
}

Json sensors(const ReportInput& in) {
  const std::vector<std::size_t> targets = in.bundle.targets();
  const std::size_t rows = in.set.eval.values.rows();
  const std::size_t stretches =
      std::clamp<std::size_t>(kMostNumbers / (4 * std::max<std::size_t>(1, targets.size())), 60, kSensorStretches);
  Json out = Json::array();
  for (std::size_t t = 0; t < targets.size() && t < in.judgement.expected.cols(); ++t) {
    const Column& column = in.bundle.columns[targets[t]];
    Json item = Json::object();
    item["name"] = column.name;
    item["unit"] = column.unit;
    item["description"] = column.description;
    item["actual"] = thinned(rows, stretches, [&](std::size_t r) { return in.set.eval.values(r, targets[t]); });
    item["expected"] =
        thinned(rows, stretches, [&](std::size_t r) { return static_cast<double>(in.judgement.expected(r, t)); });
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace

std::string report_html(const ReportInput& in) {
  const std::size_t rows = in.set.eval.values.rows();
  Json d = Json::object();
  d["where"] = fmt::format("Data set {}{}, {} rows of {} sensors", in.set.name,
                           in.run_name.empty() ? "" : ", run " + in.run_name, rows, in.set.columns.size());
  d["headline"] = in.words.headline;
  d["sentences"] = Json(in.words.sentences);
  d["cards"] = cards(in);
  d["rows"] = rows;
  d["limit"] = rounded(in.threshold);
  d["runs"] = runs(in.set);
  d["period_s"] = in.set.period_s;
  d["long_tail"] = has_long_tail(in);
  d["score"] = thinned(rows, kScoreStretches, [&](std::size_t r) { return in.judgement.scores[r]; });
  d["events"] = events(in);
  d["episodes"] = episodes(in);
  d["more_episodes"] = in.judgement.episodes.size() - d["episodes"].size();
  d["sensors"] = sensors(in);
  d["figures"] = in.figures;
  d["comparison"] = to_json(in.comparison);
  d["foot"] = fmt::format("Limit {:.6g} by {}. Bundle {}, kind {}. Made by anomctl on {}.", in.threshold, in.method,
                          in.bundle.name, in.bundle.kind, format_stamp(in.made));
  std::string data = d.dump();
  // No text in the data may end the script element.
  for (std::size_t at = data.find("</"); at != std::string::npos; at = data.find("</", at + 3))
    data.replace(at, 2, "<\\/");
  return render_template(embedded::report_page, {{"TITLE", html_text("anomctl: " + in.set.name)},
                                                 {"DATA", data},
                                                 {"SCRIPT", std::string(embedded::report_script)}});
}

}  // namespace anomctl
