#include "commands/drill.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "commands/data_set_choice.h"
#include "commands/drill_page.h"
#include "commands/evaluate/evaluation.h"
#include "commands/open_model.h"

namespace anomctl {
namespace {

struct NormalRows {
  const Part& part;
  std::string name;
  std::vector<std::uint8_t> use;
};

FaultKind parse_kind(const std::string& name) {
  for (const FaultKind kind : {FaultKind::offset, FaultKind::drift, FaultKind::noise, FaultKind::spike,
                               FaultKind::stuck, FaultKind::replay, FaultKind::dead})
    if (fault_name(kind) == name) return kind;
  throw UsageError(
      fmt::format("kinds: a drill knows offset, drift, noise, spike, stuck, replay and dead, not '{}'", name));
}

DrillSettings settings_of(const DrillOptions& options) {
  DrillSettings settings;
  for (const std::string& name : options.kinds) settings.kinds.push_back(parse_kind(name));
  settings.sizes = options.sizes;
  std::ranges::sort(settings.sizes);
  for (const double size : settings.sizes)
    if (!(size > 0) || !std::isfinite(size)) throw UsageError(fmt::format("sizes: {} is not above 0", size));
  if (settings.kinds.empty()) throw UsageError("kinds is empty: there is nothing to drill");
  if (settings.sizes.empty() && std::ranges::any_of(settings.kinds, has_size))
    throw UsageError("sizes is empty, and there are kinds that need one");
  settings.fault_rows = options.fault_rows;
  settings.places = options.places;
  settings.seed = options.seed;
  settings.detector.threshold = options.threshold;
  settings.detector.faults.enabled = true;  // as manage judges
  return settings;
}

std::vector<std::size_t> sensors_of(const DrillOptions& options, const Bundle& bundle) {
  std::vector<std::size_t> out;
  for (std::size_t c = 0; c < bundle.columns.size(); ++c)
    if (options.sensors.empty() || std::ranges::find(options.sensors, bundle.columns[c].name) != options.sensors.end())
      out.push_back(c);
  for (const std::string& name : options.sensors)
    if (std::ranges::none_of(bundle.columns, [&](const Column& c) { return c.name == name; }))
      throw UsageError(fmt::format("sensors: the bundle {} has no '{}'", bundle.name, name));
  return out;
}

// 1 of a sensor that stands still.
std::vector<double> deviations_of(const Part& part) {
  const Scaler scaler = Scaler::fit(Scaler::Kind::standard, part.values, normal_rows(part));
  std::vector<double> out;
  for (std::size_t c = 0; c < part.values.cols(); ++c) out.push_back(scaler.scale(c));
  return out;
}

// The smallest size from which on every one is found, in words; "yes" and "no" of a kind without sizes.
std::string smallest(std::span<const DrillCase> of_kind) {
  std::string text;
  if (std::ranges::all_of(of_kind, [](const DrillCase& c) { return c.tried == 0; })) return "-";
  for (const DrillCase& c : of_kind) {
    if (!is_found(c))
      text.clear();
    else if (text.empty())
      text = c.size > 0 ? fmt::format("{:g}", c.size) : "yes";
  }
  return text.empty() ? (of_kind.front().size > 0 ? fmt::format("> {:g}", of_kind.back().size) : "no") : text;
}

// Calls each(sensor, kind, its cases).
template <class Each>
void by_kind(const Drill& drill, const Each& each) {
  for (std::size_t i = 0; i < drill.cases.size();) {
    std::size_t n = i;
    while (n < drill.cases.size() && drill.cases[n].sensor == drill.cases[i].sensor &&
           drill.cases[n].kind == drill.cases[i].kind)
      ++n;
    each(drill.cases[i].sensor, drill.cases[i].kind, std::span(drill.cases).subspan(i, n - i));
    i = n;
  }
}

std::vector<std::string> in_words(const Drill& drill, const Bundle& bundle, const DrillSettings& settings,
                                  const NormalRows& rows) {
  std::vector<std::string> out;
  out.push_back(fmt::format(
      "One fault at a time, {} rows long, in {} places of the normal {} rows; found where an alert opened within the "
      "fault in {:.0f} % of them or more. The limit is {:.6g}.",
      settings.fault_rows, drill.places, rows.name, 100 * kFoundShare,
      settings.detector.threshold.value_or(bundle.threshold().value_or(std::nan("")))));
  std::string blind;
  std::int64_t spots = 0, all = 0, found = 0, named = 0;
  std::vector<double> delays;
  by_kind(drill, [&](std::size_t sensor, FaultKind kind, std::span<const DrillCase> cases) {
    const DrillCase& largest = cases.back();
    for (const DrillCase& c : cases) {
      found += c.found;
      named += c.named;
    }
    if (largest.tried == 0) return;
    ++all;
    if (is_found(largest)) return;
    ++spots;
    if (spots <= 12)
      blind += fmt::format("{}{} of {}", blind.empty() ? "" : ", ", fault_name(kind), bundle.columns[sensor].name);
  });
  out.push_back(spots == 0 ? fmt::format("No blind spot: the largest fault of each kind is found on every sensor.")
                           : fmt::format("Blind spots, {} of {}, even at the largest size: {}{}.", spots, all, blind,
                                         spots > 12 ? fmt::format(" and {} more", spots - 12) : ""));
  if (found > 0)
    out.push_back(fmt::format("Of the alerts, {:.0f} % name the broken sensor first.",
                              100.0 * static_cast<double>(named) / static_cast<double>(found)));
  if (drill.loud > 0)
    out.push_back(fmt::format("{} places were left out: there was an alert without any fault, or the asset was idle.",
                              drill.loud));
  out.push_back("Real faults look different: this says what is surely missed, not what is surely seen.");
  return out;
}

std::vector<std::string> table(const Drill& drill, const Bundle& bundle) {
  std::size_t width = 6;
  for (const DrillCase& c : drill.cases) width = std::max(width, bundle.columns[c.sensor].name.size());
  std::vector<std::string> lines;
  std::string head = fmt::format("{:<{}}", "sensor", width), line;
  std::size_t last = std::numeric_limits<std::size_t>::max(), first = drill.cases.front().sensor;
  by_kind(drill, [&](std::size_t sensor, FaultKind kind, std::span<const DrillCase> cases) {
    if (sensor == first) head += fmt::format(" {:>8}", fault_name(kind));
    if (sensor != last) {
      if (!line.empty()) lines.push_back(line);
      line = fmt::format("{:<{}}", bundle.columns[sensor].name, width);
      last = sensor;
    }
    line += fmt::format(" {:>8}", smallest(cases));
  });
  lines.push_back(line);
  lines.insert(lines.begin(), head);
  return lines;
}

Json to_json(const Drill& drill, const Bundle& bundle) {
  Json j = Json::object();
  j["places"] = drill.places;
  j["places_left_out"] = drill.loud;
  j["lead_rows"] = drill.lead_rows;
  j["cases"] = Json::array();
  for (const DrillCase& c : drill.cases) {
    Json item = Json::object();
    item["sensor"] = bundle.columns[c.sensor].name;
    item["kind"] = std::string(fault_name(c.kind));
    item["size"] = c.size > 0 ? Json(c.size) : Json();
    item["tried"] = c.tried;
    item["found"] = c.found;
    item["named"] = c.named;
    item["delay_rows"] = std::isfinite(c.delay_rows) ? Json(c.delay_rows) : Json();
    j["cases"].push_back(std::move(item));
  }
  return j;
}

// Eval rows were not seen by the fit; where they do not suffice, train rows.
Drill drilled(const DrillOptions& options, const DataSet& set, const std::shared_ptr<const Bundle>& bundle,
              const DrillSettings& settings, NormalRows rows, Context& context) {
  const auto model = open_model(*bundle, "auto");
  const auto sensors = sensors_of(options, *bundle);
  context.progress().begin("drill", 0, "faults");
  const auto progress = [&](std::size_t done, std::size_t) {
    context.progress().update(static_cast<std::int64_t>(done));
  };
  Drill drill = find_blind_spots(bundle, model, rows.part, rows.use, deviations_of(set.train), sensors, settings,
                                 progress, context.stop().token());
  context.progress().end();
  return drill;
}

int run_drill(const DrillOptions& options, Context& context) {
  if (options.threshold && !options.budget.empty())
    throw UsageError("budget and threshold both say what the limit is: give one of them");
  const DrillSettings settings = settings_of(options);
  const auto choice = choose_bundle(options.bundle, options.run, options.tracking);
  Bundle loaded = load_bundle(choice.folder);
  if (!options.budget.empty()) log_info("{}", take_budget(loaded, options.budget).in_words);
  if (!loaded.threshold() && !options.threshold)
    throw UsageError("the bundle has no limit: give --threshold, or run anomctl evaluate");
  const auto bundle = std::make_shared<const Bundle>(std::move(loaded));
  const DataSet set = load_data_set(data_set_folder(options.datasets_dir, options.dataset, choice));
  check_columns(*bundle, set);
  const NormalRows eval{set.eval, "eval", normal_rows(set.eval)}, train{set.train, "train", normal_rows(set.train)};
  const NormalRows* rows = options.part == "train" ? &train : &eval;
  Drill drill;
  try {
    drill = drilled(options, set, bundle, settings, *rows, context);
  } catch (const Error& error) {
    if (options.part != "auto" || error.code() != ExitCode::bad_input) throw;
    log_info("eval: {}; taking train rows, which the fit has seen", error.what());
    rows = &train;
    drill = drilled(options, set, bundle, settings, *rows, context);
  }
  if (context.stop().token().stop_requested()) return context.stop().exit_code(0);
  const auto words = in_words(drill, *bundle, settings, *rows);
  context.result = to_json(drill, *bundle);
  context.result["dataset"] = set.name;
  context.result["part"] = rows->name;
  context.result["fault_rows"] = settings.fault_rows;
  context.result["in_words"] = Json::array();
  for (const std::string& sentence : words) context.result["in_words"].push_back(Json(sentence));
  std::error_code error;
  fs::create_directories(options.output, error);
  if (error) throw failed("cannot create folder " + options.output.string() + ": " + error.message());
  write_file_atomic(options.output / "drill.json", context.result.dump(2) + "\n");
  write_file_atomic(options.output / "drill.html", drill_html({*bundle, drill, words, set.name, rows->name}));
  context.result["page"] = (options.output / "drill.html").string();
  for (const std::string& line : table(drill, *bundle)) context.text(line);
  for (const std::string& sentence : words) context.text(sentence);
  context.text("Picture: " + (options.output / "drill.html").string());
  return 0;
}

}  // namespace

CommandSpec drill_command() {
  return make_command<DrillOptions>(
      "drill", "Data and models", "Break each sensor of normal rows on purpose: what would a bundle not see?",
      {"anomctl drill", "anomctl drill --bundle models/pump --dataset pump --kinds offset,stuck --sizes 1,3"},
      run_drill);
}

}  // namespace anomctl
