#include "commands/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "anomctl/core/time.h"
#include "anomctl/deploy/container_images.h"
#include "embedded/report_page.h"

namespace anomctl {
namespace {

constexpr std::size_t kScoreStretches = 1400;
constexpr std::size_t kSensorStretches = 700;
constexpr std::size_t kMostNumbers = 120'000;  // of all sensors together: wide data sets get coarser pictures
constexpr std::size_t kMostEpisodes = 300;

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

std::string when(const DataSet& set, std::int64_t row) {
  const Nanoseconds time = set.eval.times[static_cast<std::size_t>(row)];
  // A data set without stamps counts rows from 1970: then the row says more.
  return time < 10 * 365 * kDay ? fmt::format("row {}", row) : format_stamp(time);
}

Json cards(const ReportInput& in) {
  Json out = Json::array();
  const auto card = [&](const char* key, const char* text, bool percent) {
    const Json* v = in.figures.find(key);
    if (v == nullptr || !v->is_number()) return;
    const double value = v->as_double();
    out.push_back(
        Json(Json::Array{percent ? fmt::format("{:.0f} %", 100 * value) : fmt::format("{:.3g}", value), text}));
  };
  card("event_recall", "of labelled events found", true);
  card("false_episodes_per_day", "false episodes a day", false);
  card("precision", "of flagged rows are labelled", true);
  card("recall", "of labelled rows are flagged", true);
  card("pr_auc", "PR-AUC of the score", false);
  card("roc_auc", "ROC-AUC of the score", false);
  return out;
}

Json episodes(const ReportInput& in) {
  Json out = Json::array();
  for (const FoundEpisode& e : in.judgement.episodes) {
    if (out.size() == kMostEpisodes) break;
    Json item = Json::object();
    item["first"] = e.rows.first;
    item["last"] = e.rows.last;
    item["when"] = e.rows.size() == 1
                       ? when(in.set, e.rows.first)
                       : fmt::format("{}, {}", when(in.set, e.rows.first),
                                     spoken_duration(static_cast<double>(e.rows.size()) * in.set.period_s));
    item["peak"] = rounded(e.told.peak);
    item["reason"] = e.told.reason;
    item["false_alarm"] = e.false_alarm;
    out.push_back(std::move(item));
  }
  return out;
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

std::string html_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
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
  d["ticks"] = Json::array();
  for (std::size_t i = 0; i < 5; ++i) {
    d["ticks"].push_back(rows == 0 ? std::string() : when(in.set, static_cast<std::int64_t>((rows - 1) * i / 4)));
  }
  d["score"] = thinned(rows, kScoreStretches, [&](std::size_t r) { return in.judgement.scores[r]; });
  d["labelled"] = Json::array();
  for (const RowRange& run : runs_of_ones(in.set.eval.labels))
    d["labelled"].push_back(Json(Json::Array{run.first, run.last}));
  d["episodes"] = episodes(in);
  d["sensors"] = sensors(in);
  d["figures"] = in.figures;
  d["foot"] = fmt::format("Limit {:.6g} by {}. Bundle {}, kind {}. Made by anomctl on {}.", in.threshold, in.method,
                          in.bundle.name, in.bundle.kind, format_stamp(in.made));
  std::string data = d.dump();
  // No text in the data may end the script element.
  for (std::size_t at = data.find("</"); at != std::string::npos; at = data.find("</", at + 3))
    data.replace(at, 2, "<\\/");
  return render_template(embedded::report_page, {{"TITLE", html_text("anomctl: " + in.set.name)}, {"DATA", data}});
}

}  // namespace anomctl
