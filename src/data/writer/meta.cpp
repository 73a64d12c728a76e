#include "data/writer/meta.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "data/column_names.h"

namespace anomctl {
namespace {

Json runs_json(const DataSetPlan& plan, const std::vector<TimedRun>& runs) {
  Json out = Json::array();
  for (const TimedRun& run : runs) {
    Json item = Json::object();
    const auto file = static_cast<std::size_t>(std::max<std::int64_t>(run.file, 0));
    if (file < plan.file_names.size()) item["file"] = plan.file_names[file];
    item["start"] = run.start;
    item["end"] = run.end;
    item["first_time"] = format_stamp(run.first_time);
    out.push_back(std::move(item));
  }
  return out;
}

Json columns_json(const std::vector<Column>& columns) {
  Json out = Json::array();
  for (const Column& column : columns) {
    if (column.unit.empty() && column.description.empty()) {
      out.push_back(column.name);
      continue;
    }
    Json item = Json::object();
    item["name"] = column.name;
    if (!column.unit.empty()) item["unit"] = column.unit;
    if (!column.description.empty()) item["description"] = column.description;
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace

std::vector<Json> segments_of(const DataSetPlan& plan, const std::vector<Stretch>& stretches, std::int64_t split,
                              std::int64_t rows, ReadReport& report) {
  std::vector<Json> out;
  std::vector<std::string> known, unknown;
  for (const Column& column : plan.columns) known.push_back(column.name);
  for (const Stretch& stretch : stretches) {
    if (stretch.last < split) continue;
    Json item = Json::object();
    item["start"] = std::max(stretch.first, split) - split;
    item["end"] = std::min(stretch.last, rows - 1) - split;
    if (plan.have_anomalies) {
      const Anomaly& anomaly = plan.anomalies[stretch.anomaly];
      if (!anomaly.root_cause.empty()) item["root_cause"] = anomaly.root_cause;
      if (!anomaly.affected.empty()) item["affected"] = Json(anomaly.affected);
      if (!anomaly.category.is_null()) item["category"] = anomaly.category;
      for (const std::string& name : anomaly.affected) {
        const bool is_known = std::find(known.begin(), known.end(), name) != known.end();
        if (!is_known && std::find(unknown.begin(), unknown.end(), name) == unknown.end()) unknown.push_back(name);
      }
    }
    out.push_back(std::move(item));
  }
  if (!unknown.empty()) {
    report.notes.push_back(
        fmt::format("anomalies name columns that the data set does not have: {}", list_names(unknown)));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Json& a, const Json& b) { return a.at("start").as_int() < b.at("start").as_int(); });
  return out;
}

Json meta_json(const DataSetPlan& plan, const WrittenDataSet& written, const std::vector<TimedRun>& train_runs,
               const std::vector<TimedRun>& eval_runs, const std::vector<Json>& segments, const ReadReport& report) {
  Json meta = Json::object();
  meta["name"] = plan.name;
  meta["n_columns"] = static_cast<std::int64_t>(plan.columns.size());
  meta["n_train"] = written.train_rows;
  meta["n_eval"] = written.eval_rows;
  meta["anomaly_ratio_eval"] =
      std::round(1e6 * static_cast<double>(written.eval_labelled) / static_cast<double>(written.eval_rows)) / 1e6;
  meta["columns"] = columns_json(plan.columns);
  meta["sampling_period_s"] = written.period_s;
  meta["source"] = plan.source;
  std::string derivation = plan.derivation + (plan.derivation.empty() ? "" : "; ") + written.split;
  meta["derivation"] = derivation;
  meta["labelled_rows_inside_train"] = written.train_labelled;
  if (!plan.active_when.empty()) {
    meta["active_when"] = plan.active_when;
    meta["settle_s"] = plan.settle_s;
    meta["idle_rows_left_out_of_train"] = written.idle_train_rows;
  }
  meta["train_runs"] = runs_json(plan, train_runs);
  meta["eval_runs"] = runs_json(plan, eval_runs);
  meta["anomaly_segments"] = Json(Json::Array(segments));
  meta["segment_convention"] = "0-based row numbers of eval.csv, both ends inclusive";
  meta["reading"] = report.to_json();
  meta["notes"] = Json(written.sentences);
  for (const auto& [key, value] : plan.extra) meta[key] = value;
  return meta;
}

}  // namespace anomctl
