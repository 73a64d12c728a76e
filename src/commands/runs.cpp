#include "commands/runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "anomctl/core/error.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/registry/run_bundle.h"
#include "anomctl/registry/run_store.h"
#include "commands/evaluate/plain_words.h"

namespace anomctl {
namespace {

constexpr const char* kExperimentEnd = "_training";
constexpr std::size_t kShortHash = 24;
constexpr std::size_t kShortId = 8;  // of 32 characters, enough to name a run
constexpr const char* kMainMetrics[] = {"f1", "pr_auc"};
constexpr const char* kMainLosses[] = {"train_total_loss", "val_total_loss"};

std::string data_set_of(const RunInfo& run) {
  if (const auto param = run.params.find("dataset"); param != run.params.end()) return param->second;
  std::string name = run.experiment;
  if (name.ends_with(kExperimentEnd)) name.resize(name.size() - std::string(kExperimentEnd).size());
  return name;
}

std::string number_text(std::optional<double> value) { return value ? fmt::format("{:.4g}", *value) : "-"; }

std::optional<double> metric(const RunInfo& run, const std::string& name) {
  const auto found = run.metrics.find(name);
  return found == run.metrics.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> param(const RunInfo& run, const std::string& name) {
  const auto found = run.params.find(name);
  return found == run.params.end() ? std::nullopt : std::optional(found->second);
}

// Where a run comes from: what it was trained on, by which program, with which seed.
struct Origin {
  const char* title;
  const char* key;
  std::string text;  // empty: not known
};
std::vector<Origin> origins(const RunInfo& run) {
  const auto tag = [&](const char* name) {
    const auto found = run.tags.find(name);
    return found == run.tags.end() ? std::string() : found->second;
  };
  return {{"data hash", "data_set_hash", tag("anomctl.data_set_hash")},
          {"version", "version", tag("anomctl.version")},
          {"code", "git_commit", tag("mlflow.source.git.commit")},
          {"seed", "seed", param(run, "seed").value_or("")}};
}

std::optional<fs::path> bundle_folder(const RunInfo& run) {
  std::error_code error;
  const fs::path folder = run.artifacts / kRunBundleFolder;
  return fs::exists(folder / kBundleFile, error) ? std::optional(folder) : std::nullopt;
}

Json summary(const RunInfo& run) {
  Json item = Json::object();
  item["id"] = run.id;
  item["name"] = run.name;
  item["dataset"] = data_set_of(run);
  item["status"] = run.status;
  item["start"] = format_stamp(run.start);
  item["end"] = run.end > 0 ? Json(format_stamp(run.end)) : Json();
  const auto bundle = bundle_folder(run);
  item["bundle"] = bundle ? Json(bundle->string()) : Json();
  for (const Origin& origin : origins(run)) item[origin.key] = origin.text.empty() ? Json() : Json(origin.text);
  item["metrics"] = Json::object();
  for (const auto& [name, value] : run.metrics) item["metrics"][name] = value;
  return item;
}

template <class Texts>
Json object_of(const Texts& texts) {
  Json out = Json::object();
  for (const auto& [name, text] : texts) out[name] = text;
  return out;
}

using Histories = std::map<std::string, std::vector<MetricPoint>>;

// Metrics that were logged over steps, such as the losses of each epoch.
Histories histories_of(RunStore& store, const RunInfo& run) {
  Histories out;
  for (const auto& [name, last] : run.metrics) {
    auto points = store.history(run, name);
    if (std::any_of(points.begin(), points.end(), [](const MetricPoint& p) { return p.step > 0; }))
      out[name] = std::move(points);
  }
  return out;
}

void print_epochs(const Histories& histories, const Context& context) {
  std::map<std::int64_t, std::map<std::string, double>> rows;
  for (const char* name : kMainLosses) {
    const auto found = histories.find(name);
    if (found == histories.end()) return;
    for (const MetricPoint& point : found->second) rows[point.step][name] = point.value;
  }
  context.text("Losses");
  context.text(fmt::format("  {:>5}  {:>10}  {:>10}", "epoch", "train", "validation"));
  for (const auto& [step, values] : rows) {
    const auto at = [&](const char* name) {
      const auto value = values.find(name);
      return value == values.end() ? std::string("-") : fmt::format("{:.5f}", value->second);
    };
    context.text(fmt::format("  {:>5}  {:>10}  {:>10}", step, at(kMainLosses[0]), at(kMainLosses[1])));
  }
}

int run_list(const RunsListOptions& options, Context& context) {
  Json list = Json::array();
  for (const RunInfo& run : open_run_store(options.tracking)->list()) {
    if (!options.dataset.empty() && data_set_of(run) != options.dataset) continue;
    if (list.size() == 0) {
      context.text(fmt::format("{:<24} {:<16} {:<9} {:<24} {:>7} {:>7}  {}", "name", "data set", "status", "start",
                               kMainMetrics[0], kMainMetrics[1], "id"));
    }
    list.push_back(summary(run));
    context.text(fmt::format("{:<24} {:<16} {:<9} {:<24} {:>7} {:>7}  {}", run.name, data_set_of(run), run.status,
                             format_stamp(run.start), number_text(metric(run, kMainMetrics[0])),
                             number_text(metric(run, kMainMetrics[1])), run.id.substr(0, kShortId)));
  }
  if (list.size() == 0) {
    context.text(fmt::format("no runs{} in {}: anomctl train makes one",
                             options.dataset.empty() ? "" : " on data set " + options.dataset,
                             options.tracking.tracking_uri));
  }
  context.result["runs"] = std::move(list);
  return 0;
}

int run_show(const RunsShowOptions& options, Context& context) {
  const auto store = open_run_store(options.tracking);
  const RunInfo run = store->find(options.run);
  const Histories histories = histories_of(*store, run);
  const auto artifacts = store->artifacts(run);
  context.result = summary(run);
  context.result["params"] = object_of(run.params);
  context.result["tags"] = object_of(run.tags);
  context.result["history"] = Json::object();
  for (const auto& [name, points] : histories) {
    Json& list = context.result["history"][name] = Json::array();
    for (const MetricPoint& point : points) {
      Json item = Json::object();
      item["step"] = point.step;
      item["value"] = point.value;
      list.push_back(std::move(item));
    }
  }
  context.result["artifacts_folder"] = run.artifacts.string();
  context.result["artifacts"] = Json(artifacts);

  context.text(fmt::format("{} ({}), {}", run.name, run.id, run.status));
  context.text(fmt::format("  data set {}, started {}{}", data_set_of(run), format_stamp(run.start),
                           run.end > run.start
                               ? ", took " + spoken_duration(static_cast<double>(run.end - run.start) / 1e9)
                               : std::string()));
  const auto bundle = bundle_folder(run);
  for (const Origin& origin : origins(run))
    if (!origin.text.empty()) context.text(fmt::format("  {} {}", origin.title, origin.text));
  context.text(bundle ? fmt::format("  bundle {}", bundle->string()) : "  no bundle");
  if (!run.metrics.empty()) context.text("Metrics");
  for (const auto& [name, value] : run.metrics) {
    if (!histories.contains(name)) context.text(fmt::format("  {:<28} {}", name, number_text(value)));
  }
  print_epochs(histories, context);
  if (!run.params.empty()) context.text("Parameters");
  for (const auto& [name, value] : run.params) context.text(fmt::format("  {:<28} {}", name, value));
  if (!run.tags.empty()) context.text("Tags");
  for (const auto& [name, value] : run.tags) context.text(fmt::format("  {:<28} {}", name, value));
  if (!artifacts.empty()) context.text(fmt::format("Artifacts in {}", run.artifacts.string()));
  for (const std::string& file : artifacts) context.text("  " + file);
  return 0;
}

// Keys of both maps, in order.
template <class Map>
std::set<std::string> keys(const Map& a, const Map& b) {
  std::set<std::string> out;
  for (const auto& [name, value] : a) out.insert(name);
  for (const auto& [name, value] : b) out.insert(name);
  return out;
}

template <class T>
Json pair_of(const std::optional<T>& a, const std::optional<T>& b) {
  Json out = Json::array();
  for (const auto* side : {&a, &b}) out.push_back(*side ? Json(**side) : Json());
  return out;
}

int run_compare(const RunsCompareOptions& options, Context& context) {
  const auto store = open_run_store(options.tracking);
  const RunInfo a = store->find(options.first), b = store->find(options.second);
  if (a.id == b.id) throw UsageError(fmt::format("{} and {} are one run, {}", options.first, options.second, a.name));
  context.result["runs"] = Json(Json::Array{summary(a), summary(b)});
  context.result["params"] = Json::object();
  context.result["metrics"] = Json::object();

  const std::size_t width = std::clamp<std::size_t>(std::max(a.name.size(), b.name.size()), 24, 40);
  const auto line = [&](const std::string& name, const std::string& left, const std::string& right,
                        const std::string& rest = {}) {
    context.text(fmt::format("{:<30} {:>{}}  {:>{}}{}", name, left, width, right, width, rest));
  };
  line("", a.name, b.name);
  line("data set", data_set_of(a), data_set_of(b));
  const auto ours = origins(a), theirs = origins(b);
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const auto short_of = [](const std::string& text) { return text.empty() ? "-" : text.substr(0, kShortHash); };
    line(ours[i].title, short_of(ours[i].text), short_of(theirs[i].text),
         ours[i].text == theirs[i].text ? "" : "  differs");
  }
  line("status", a.status, b.status);
  line("start", format_stamp(a.start), format_stamp(b.start));

  std::int64_t same = 0;
  bool first = true;
  for (const std::string& name : keys(a.params, b.params)) {
    const auto left = param(a, name), right = param(b, name);
    if (left == right) {
      ++same;
      continue;
    }
    if (first) context.text("Parameters that differ");
    first = false;
    context.result["params"][name] = pair_of(left, right);
    line("  " + name, left.value_or("-"), right.value_or("-"));
  }
  context.result["same_params"] = same;
  context.text(first ? fmt::format("All {} parameters are alike", same)
                     : fmt::format("  {} other parameters are alike", same));

  const auto names = keys(a.metrics, b.metrics);
  if (!names.empty()) line("Metrics", "", "", "      change");
  for (const std::string& name : names) {
    const auto left = metric(a, name), right = metric(b, name);
    context.result["metrics"][name] = pair_of(left, right);
    line("  " + name, number_text(left), number_text(right),
         left && right ? fmt::format("  {:>+10.3g}", *right - *left) : std::string());
  }
  return 0;
}

}  // namespace

CommandSpec runs_list_command() {
  return make_command<RunsListOptions>("runs list", "Data and models", "List the tracked runs, newest first",
                                       {"anomctl runs list", "anomctl runs list --dataset pump"}, run_list);
}
CommandSpec runs_show_command() {
  return make_command<RunsShowOptions>("runs show", "Data and models",
                                       "Show a run: metrics, losses of each epoch, parameters, artifacts",
                                       {"anomctl runs show -1"}, run_show);
}
CommandSpec runs_compare_command() {
  return make_command<RunsCompareOptions>("runs compare", "Data and models",
                                          "Compare two runs: parameters that differ, metrics side by side",
                                          {"anomctl runs compare -2 -1"}, run_compare);
}

}  // namespace anomctl
