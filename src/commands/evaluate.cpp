#include "commands/evaluate.h"

#include <fmt/core.h>

#include <cmath>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/registry/run_bundle.h"
#include "commands/bounds.h"
#include "commands/data_set_choice.h"
#include "commands/evaluate/causes.h"
#include "commands/evaluate/comparison.h"
#include "commands/evaluate/evaluation.h"
#include "commands/evaluate/plain_words.h"
#include "commands/evaluate/seeds.h"
#include "commands/open_model.h"
#include "commands/report.h"

namespace anomctl {
namespace {

constexpr const char* kEvaluationFolder =
    "evaluation";  // in a run's artifacts, and without a run in the working folder

// Where the latest run is looked for: among those of the data set, if it has any.
std::string experiment_of(const EvaluateOptions& options) {
  if (options.dataset.empty() || !options.bundle.empty()) return "";
  std::string experiment = options.dataset + kExperimentEnd;
  if (options.run.starts_with('-')) return experiment;
  if (!options.run.empty() || open_run_store(options.tracking)->list(experiment).empty()) return "";
  return experiment;
}

// The bundle with what the options say about its score.
Bundle adjusted(Bundle bundle, const EvaluateOptions& options) {
  if (options.compat == "reference") bundle = as_reference(std::move(bundle));
  if (options.ewma_span && bundle.panel != nullptr)
    throw UsageError("--ewma-span smooths the score of MTAD-GAT; the panel of this bundle has smoothing of its own");
  if (options.ewma_span) bundle.score.smoothing = 2 / (*options.ewma_span + 1);
  return bundle;
}

struct Limits {
  std::map<std::string, double> all;
  std::string chosen;
  std::string in_words;               // of a budget
  std::optional<MemberScores> train;  // where the limit was chosen from them
};

Limits choose_limit(const EvaluateOptions& options, const std::shared_ptr<const Bundle>& bundle,
                    const WindowModel& model, const DataSet& set, const JudgeSettings& settings, Context& context) {
  Limits limits;
  limits.all = bundle->thresholds;
  if (options.threshold) {
    limits.all["given"] = *options.threshold;
    limits.chosen = "given";
    return limits;
  }
  if (!options.budget.empty()) {
    Bundle changed = *bundle;
    const BudgetLimit found = take_budget(changed, options.budget);
    log_info("{}", found.in_words);
    limits.in_words = found.in_words;
    limits.all["budget"] = found.limit;
    limits.chosen = "budget";
    return limits;
  }
  if (options.threshold_method == "keep") {
    if (!bundle->threshold()) throw UsageError("--threshold-method keep: the bundle " + bundle->name + " has no limit");
    limits.chosen = bundle->chosen_threshold;
    return limits;
  }
  const auto token = context.stop().token();
  if (options.threshold_method == "best-f1") {
    const auto scores = eval_scores(bundle, model, set, settings, context.progress(), token).score;
    std::vector<double> finite;
    Flags labels;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (!std::isfinite(scores[i])) continue;
      finite.push_back(scores[i]);
      labels.push_back(set.eval.labels[i]);
    }
    if (finite.empty()) throw input_error("no row of " + set.folder.string() + " could be scored");
    limits.all["best-f1"] = best_f1(finite, labels).threshold;
    limits.chosen = "best-f1";
    log_warning("the limit is chosen with the labels of eval in hand: its figures are an oracle's");
    return limits;
  }
  limits.train = train_scores(bundle, model, set, settings, context.progress(), token);
  std::vector<double> scores = limits.train->score;
  std::erase_if(scores, [](double score) { return !std::isfinite(score); });
  limits.chosen = options.threshold_method;
  auto pot = options.pot;
  if (options.compat == "reference") pot.mode = "reference";
  const auto take = [&](const std::string& method, auto&& compute) {
    try {
      limits.all[method] = compute();
    } catch (const Error& error) {
      if (method == "epsilon") throw;
      log_warning("{}", error.what());
      limits.all.erase(method);
    }
  };
  take("pot", [&] { return pot_threshold(scores, pot); });
  take("epsilon", [&] { return epsilon_threshold(scores, options.epsilon_reg_level); });
  if (!limits.all.contains(limits.chosen)) {  // as train does: few rows, or scores that hardly differ
    log_warning("the limit is epsilon's");
    limits.chosen = "epsilon";
  }
  return limits;
}

// metrics.json, scores.csv and report.html into every folder that wants them; the first is named in the result.
std::vector<fs::path> write_results(const std::vector<fs::path>& folders, const Json& metrics,
                                    const std::string& scores, const std::string& report) {
  for (const auto& folder : folders) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) throw failed("cannot create folder " + folder.string() + ": " + error.message());
    write_file_atomic(folder / "metrics.json", metrics.dump(2) + "\n");
    write_file_atomic(folder / "scores.csv", scores);
    write_file_atomic(folder / "report.html", report);
  }
  return {folders.front() / "report.html", folders.front() / "scores.csv", folders.front() / "metrics.json"};
}

// As the reference judges, there is nothing to compare.
bool compares(const EvaluateOptions& options) { return options.compare != "none" && options.compat != "reference"; }

// Whether the comparison takes in what needs passes of MTAD-GAT that judging does not need.
bool compares_networks(const EvaluateOptions& options, const DataSet& set) {
  constexpr std::size_t kManyRows = 50'000;
  return options.compare == "all" || set.train.values.rows() + set.eval.values.rows() <= kManyRows;
}

// Null where the train rows are too few for any.
std::optional<CheapDetectors> cheap_detectors(const DataSet& set, std::uint64_t seed) {
  try {
    return CheapDetectors(set.train.values, set.train.runs, normal_rows(set.train), seed);
  } catch (const Error& error) {
    log_warning("no cheap detectors to compare with: {}", error.what());
    return std::nullopt;
  }
}

struct Evaluated {
  Bundle bundle;  // with the limits
  Limits limits;
  Judgement judged;
  Json figures;
  std::optional<CheapDetectors> cheap;  // where anything was compared
  std::vector<ComparedDetector> others;
};
Evaluated evaluate_bundle(const Bundle& original, const DataSet& set, const EvaluateOptions& options,
                          Context& context) {
  Evaluated out;
  out.bundle = adjusted(original, options);
  const auto model = open_model(out.bundle, "auto");
  if (options.healthy_start > 0 && original.panel == nullptr)
    log_warning("healthy-start has no effect: the bundle {} has no panel", original.name);
  const JudgeSettings settings{options.episodes, options.healthy_start, options.protocol == "shared",
                               static_cast<std::size_t>(options.batch_size)};
  out.limits = choose_limit(options, std::make_shared<const Bundle>(out.bundle), *model, set, settings, context);
  out.bundle.thresholds = out.limits.all;
  out.bundle.chosen_threshold = out.limits.chosen;
  const auto bundle = std::make_shared<const Bundle>(out.bundle);
  out.judged = judge(bundle, *model, set, settings, context.progress(), context.stop().token());
  out.figures = figures(out.judged, set, out.limits.all.at(out.limits.chosen),
                        {options.compat == "reference", options.legacy_pa});
  if (!compares(options)) return out;
  if (!out.limits.train)
    out.limits.train = train_scores(bundle, *model, set, settings, context.progress(), context.stop().token());
  const auto seed = static_cast<std::uint64_t>(out.bundle.provenance.int_or("seed", 0));
  out.cheap = cheap_detectors(set, seed);
  const bool networks = compares_networks(options, set);
  if (!networks && !bundle->weights.empty())
    log_info("MTAD-GAT untrained is left out of the comparison: --compare all takes it in");
  out.others = compare(
      {bundle, *model, set, out.judged, *out.limits.train, out.cheap ? &*out.cheap : nullptr, settings, networks, seed},
      context.progress(), context.stop().token());
  return out;
}

// The comparison over trainings that differ in their seed; nothing where one seed is all that was asked for.
std::vector<ComparedDetector> over_seeds(const EvaluateOptions& options, const BundleChoice& choice,
                                         const Evaluated& first, const DataSet& set, Context& context) {
  if (options.seeds < 2) return {};
  const auto store = open_run_store(options.tracking);
  std::vector<std::vector<ComparedDetector>> all{first.others};
  for (const RunInfo& run : runs_of_seeds(*store, *choice.run, options.seeds)) {
    if (run.id == choice.run->id) continue;
    const Bundle other = load_bundle(bundle_of_run(*store, run));
    check_columns(other, set);
    all.push_back(evaluate_bundle(other, set, options, context).others);
  }
  return mean_over_seeds(all);
}

void track(const EvaluateOptions& options, const RunInfo& run, const Json& figures, const Limits& limits,
           const std::string& dataset) {
  const auto writer = open_run_store(options.tracking)->open(run.id);
  for (const auto& [name, value] : figures.as_object())
    if (value.is_number()) writer->log_metric(name, value.as_double(), 0);
  for (const auto& [name, value] : limits.all) writer->log_metric("threshold_" + name, value, 0);
  writer->set_tag("anomctl.evaluated_on", dataset);
  writer->set_tag("anomctl.threshold_method", limits.chosen);
}

}  // namespace

int evaluate(const EvaluateOptions& options, Context& context) {
  if (options.seeds > 1 && (!options.bundle.empty() || options.compare == "none" || options.compat == "reference"))
    throw UsageError("--seeds compares trained runs: it goes with neither --bundle, --compare none nor --compat");
  if (options.threshold && !options.budget.empty())
    throw UsageError("budget and threshold both say what the limit is: give one of them");
  std::vector<Bound> bounds;
  for (const auto& text : options.fail_on) bounds.push_back(parse_bound(text));
  const auto experiment = experiment_of(options);
  const auto choice = choose_bundle(options.bundle, options.run, options.tracking, experiment);
  const auto original = load_bundle(choice.folder);
  const auto set = load_data_set(data_set_folder(options.datasets_dir, options.dataset, choice));
  check_columns(original, set);
  log_info("judging data set {} with {} {}", set.name, choice.run ? "run" : "bundle",
           choice.run ? choice.run->name : choice.folder.string());

  const Evaluated found = evaluate_bundle(original, set, options, context);
  const auto& [bundle, limits, judged, values, cheap, others] = found;
  const double threshold = limits.all.at(limits.chosen);
  if (options.legacy_pa)
    log_warning("point-adjusted figures flatter: one flagged row counts for a whole event, and random scores do well");
  const auto seeds = over_seeds(options, choice, found, set, context);
  const auto& table = seeds.empty() ? others : seeds;
  auto words = in_plain_words(values, set.period_known);
  const auto causes = cause_hits(judged, set, cheap ? &*cheap : nullptr);
  if (!causes.empty()) words.sentences.push_back(causes_in_words(causes));
  if (!table.empty()) words.sentences.push_back(judgement_in_words(table));

  Json metrics = Json::object();
  metrics["dataset"] = set.name;
  metrics["dataset_hash"] = set.hash;
  metrics["run_id"] = choice.run ? Json(choice.run->id) : Json();
  metrics["run_name"] = choice.run ? Json(choice.run->name) : Json();
  metrics["bundle"] = choice.folder.string();
  metrics["protocol"] = options.protocol;
  metrics["compat"] = options.compat;
  metrics["threshold_method"] = limits.chosen;
  metrics["threshold"] = threshold;
  for (const auto& [name, value] : limits.all) metrics["thresholds"][name] = value;
  if (!limits.in_words.empty()) metrics["budget"] = limits.in_words;
  metrics["metrics"] = values;
  metrics["comparison"] = to_json(table);
  metrics["causes"] = to_json(causes);
  metrics["seeds"] = options.seeds;
  metrics["assumes_a_row_a_second"] = !set.period_known;
  metrics["in_words"] = words.headline + ". " + (words.sentences.empty() ? "" : words.sentences.front());
  for (const auto& event : events_of(judged, set).events) {
    Json item = Json::object();
    item["first_row"] = event.rows.first;
    item["last_row"] = event.rows.last;
    item["judged"] = event.judged;
    item["found"] = event.found;
    item["delay_rows"] = event.found ? Json(event.delay_rows) : Json();
    metrics["events"].push_back(item);
  }
  const auto missed = missed_bounds(bounds, values);
  metrics["missed_bounds"] = missed;

  std::vector<fs::path> folders;
  if (choice.run) folders.push_back(choice.run->artifacts / kEvaluationFolder);
  if (!options.output.empty()) folders.insert(folders.begin(), options.output);
  if (folders.empty()) folders.push_back(kEvaluationFolder);
  const auto report = report_html({bundle, set, judged, values, words, table, limits.chosen, threshold,
                                   choice.run ? choice.run->name : "", system_clock().now()});
  const auto files = write_results(folders, metrics, scores_csv(judged), report);
  // The limit of MTAD-GAT alone means nothing to a bundle whose panel judges.
  const bool update = options.update_bundle && (bundle.panel != nullptr || original.panel == nullptr);
  if (options.update_bundle && !update)
    log_warning("the bundle keeps its limit: this one is of the score of MTAD-GAT alone (--compat reference)");
  if (update) save_bundle(bundle, choice.folder);
  if (choice.run) track(options, *choice.run, values, limits, set.name);

  context.result = metrics;
  context.result["report"] = files[0].string();
  context.result["scores"] = files[1].string();
  context.text(words.headline + ".");
  for (const auto& sentence : words.sentences) context.text("  " + sentence);
  for (const auto& line : comparison_lines(table)) context.text(line);
  context.text(fmt::format("Limit ({}): {:.6g}{}", limits.chosen, threshold,
                           options.threshold_method == "keep" ? ", the bundle's own"
                           : update                           ? ", written into the bundle"
                                                              : ""));
  context.text("Report: " + files[0].string());
  context.text(fmt::format("THRESHOLD={:.9g}", threshold));
  for (const auto& line : missed) context.text("Missed: " + line);
  return static_cast<int>(missed.empty() ? ExitCode::done : ExitCode::bound_missed);
}

CommandSpec evaluate_command() {
  return make_command<EvaluateOptions>(
      "evaluate", "Data and models", "Judge a data set with a trained bundle: figures, limit, report",
      {"anomctl evaluate", "anomctl evaluate --run -2 --dataset pump --output evaluation",
       "anomctl evaluate --bundle models/pump --fail-on 'pr_auc<0.6' --fail-on 'false_episodes_per_day>1'"},
      evaluate);
}

}  // namespace anomctl
