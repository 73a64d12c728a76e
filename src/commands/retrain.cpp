#include "commands/retrain.h"

#include <fmt/format.h>

#include <algorithm>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/data/data_set.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/registry/run_bundle.h"
#include "anomctl/registry/run_store.h"
#include "commands/command_settings.h"
#include "commands/create_datasets.h"
#include "commands/evaluate.h"
#include "commands/evaluate/evaluation.h"
#include "commands/open_model.h"
#include "commands/train.h"

namespace anomctl {
namespace {

constexpr const char* kChallenger = "challenger";

// The eval rows of the data set as a detector judges them, at its own limit.
Judgement opinion(const fs::path& folder, const DataSet& set, Context& context) {
  const auto bundle = std::make_shared<const Bundle>(load_bundle(folder));
  if (!bundle->threshold()) throw input_error("the bundle in " + folder.string() + " has no limit");
  const std::vector<std::string> theirs = bundle->column_names();
  std::vector<std::string> ours;
  for (const Column& column : set.columns) ours.push_back(column.name);
  if (theirs != ours)
    throw input_error(fmt::format("the bundle in {} judges {}; the data set holds {}", folder.string(),
                                  fmt::join(theirs, ", "), fmt::join(ours, ", ")));
  const auto model = open_model(*bundle, "cpu", 0);
  return judge(bundle, *model, set, {}, context.progress(), context.stop().token());
}

// What judges, without where it comes from: a training of the same rows with the same settings gives the same.
std::string substance(const fs::path& folder) {
  const Bundle bundle = load_bundle(folder);
  const Json all = bundle_to_json(bundle);
  std::string text = sha256_file(folder / kWeightsFile);
  for (const auto& [key, value] : all.as_object())
    if (key != "provenance" && key != "name") text += "\n" + key + value.dump();
  return sha256_hex(text);
}

Json json_of(const ChallengeResult& result) {
  const auto or_null = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  Json j = Json::object();
  j["rows"] = result.rows;
  j["anomalous_rows"] = result.anomalous;
  j["champion_pr_auc"] = or_null(result.old_pr_auc);
  j["challenger_pr_auc"] = or_null(result.new_pr_auc);
  j["pr_auc_difference_lower"] = or_null(result.lower);
  j["champion_false_alarm_rate"] = result.old_alarms;
  j["challenger_false_alarm_rate"] = result.new_alarms;
  j["false_alarm_difference_upper"] = result.upper_alarms;
  j["champion_recall"] = or_null(result.old_recall);
  j["challenger_recall"] = or_null(result.new_recall);
  j["recall_difference_lower"] = or_null(result.lower_recall);
  j["passed"] = result.passed;
  j["in_words"] = result.in_words;
  return j;
}

// A champion that cannot be read is not equal to anything.
bool is_equal(ModelRegistry& registry, const ModelVersion& champion, const ModelVersion& challenger) {
  try {
    return substance(registry.bundle(champion)) == substance(registry.bundle(challenger));
  } catch (const Error& error) {
    log_warning("{}", error.what());
    return false;
  }
}

// A run of the test that says why; a champion that cannot judge these rows keeps its place.
ChallengeResult compare(const RetrainOptions& options, ModelRegistry& registry, const ModelVersion& champion,
                        const ModelVersion& challenger, const DataSet& set, Context& context) {
  const Judgement before = opinion(registry.bundle(champion), set, context);
  const Judgement now = opinion(registry.bundle(challenger), set, context);
  return challenge({before.scores, before.flagged}, {now.scores, now.flagged}, set.eval.labels, options.test);
}

// Evaluates the run, registers it as the challenger, has it tried against the champion, and promotes it or says why not.
int judge_run(const RetrainOptions& options, const TrainedRun& trained, const TrainOptions& train_options,
              EvaluateOptions evaluate_options, Context& context) {
  const auto stop = context.stop().token();
  if (trained.stopped || stop.stop_requested()) return context.stop().exit_code(0);
  context.text(fmt::format("trained run {}", trained.run_name));
  context.result["run_id"] = trained.run_id;
  context.result["run_name"] = trained.run_name;

  evaluate_options.run = trained.run_id;
  evaluate_options.tracking = train_options.tracking;
  evaluate_options.datasets_dir = train_options.datasets_dir;
  evaluate_options.dataset = train_options.dataset;
  Context judging(context.progress(), context.stop(), true);  // its figures are in the run
  const bool kept_bounds = evaluate(evaluate_options, judging) == 0;
  context.result["evaluation"] = judging.result;
  if (stop.stop_requested()) return context.stop().exit_code(0);

  const auto registry = open_model_registry(train_options.tracking);
  const RunInfo run = open_run_store(train_options.tracking)->find(trained.run_id);
  const ModelVersion challenger =
      registry->add({options.model, choose_bundle({}, trained.run_id, train_options.tracking).folder, run});
  promote(*registry, challenger, kChallenger);
  context.result["challenger"] = challenger.id();
  const std::int64_t in_use = registry->alias_number(options.model, options.alias);
  context.result["champion"] = in_use > 0 ? Json(fmt::format("{}/{}", options.model, in_use)) : Json();

  bool passed = in_use == 0 && kept_bounds;
  std::string why = fmt::format("no version is {}@{} yet", options.model, options.alias);
  const auto champion = [&] { return registry->version(options.model, in_use); };
  bool equal = in_use == challenger.number;
  if (in_use > 0 && !equal) equal = is_equal(*registry, champion(), challenger);
  context.result["equal_to_champion"] = equal;
  if (equal) {
    why = "equal to the champion: the training gave what is in use already";
  } else if (in_use > 0) {
    const DataSet set = load_data_set(find_data_set(train_options.datasets_dir, train_options.dataset));
    try {
      const ChallengeResult result = compare(options, *registry, champion(), challenger, set, context);
      context.result["test"] = json_of(result);
      passed = result.passed && kept_bounds;
      why = result.in_words;
    } catch (const Error& e) {
      why = fmt::format("they cannot be compared: {}", e.what());
    }
  }
  if (!kept_bounds) why = "a bound of [evaluate] fail_on is missed; " + why;
  if (passed && options.promote && registry->alias_number(options.model, options.alias) != in_use) {
    passed = false;
    why = fmt::format("{}@{} was moved by somebody else meanwhile; {}", options.model, options.alias, why);
  }
  const bool moves = passed && options.promote;
  registry->set_version_tag(challenger, "anomctl.challenge", why);
  if (moves) promote(*registry, challenger, options.alias);
  context.result["passed"] = passed;
  context.result["promoted"] = moves;
  context.result["why"] = why;
  context.text(why);
  const std::string name = fmt::format("{}@{}", options.model, options.alias);
  if (moves)
    context.text(fmt::format("{} is now {}", name, challenger.id()));
  else if (passed)
    context.text(
        fmt::format("{} may take {}'s place: anomctl models promote {}", challenger.id(), name, challenger.id()));
  else
    context.text(in_use > 0 ? fmt::format("{} stays {}/{}", name, options.model, in_use) : name + " names no version");
  return 0;
}

int run(const RetrainOptions& options, Context& context) {
  check_model_name(options.model);
  check_model_alias(options.alias);
  if (options.alias == kChallenger) throw UsageError("alias: 'challenger' names the version that is being tried");
  const TomlFile file = context.config.empty() ? TomlFile{} : read_toml(context.config);
  auto train_options = settings_of<TrainOptions>("train", file);
  auto evaluate_options = settings_of<EvaluateOptions>("evaluate", file);
  const auto stop = context.stop().token();
  train_options.tracking.stop = stop;
  if (evaluate_options.threshold_method == "best-f1")
    throw UsageError("[evaluate] threshold_method: best-f1 looks at the labels of the rows that the test is made on");
  if (!evaluate_options.run.empty() || !evaluate_options.bundle.empty() || !evaluate_options.dataset.empty())
    throw UsageError("[evaluate] run, bundle and dataset are what was trained just now: leave them out");

  if (file.tables.contains("create-datasets") || file.tables.contains("create_datasets")) {
    const auto gather = settings_of<CreateDatasetsOptions>("create-datasets", file);
    const WrittenDataSet written = create_data_set(gather, context.progress(), stop);
    train_options.dataset = written.name;
    train_options.datasets_dir = gather.datasets_dir;
    context.text(fmt::format("gathered {}: {} train rows, {} eval rows, {} anomalies", written.name, written.train_rows,
                             written.eval_rows, written.segments));
    context.result["data_set"] = written.to_json();
  }
  const TrainedRun trained = train(train_options, context.progress(), stop);
  try {
    return judge_run(options, trained, train_options, evaluate_options, context);
  } catch (const Error& error) {
    if (error.code() == ExitCode::unreachable && !stop.stop_requested())
      log_warning(
          "run {} is trained and kept: when the server is there again, 'anomctl runs sync' sends it and 'anomctl "
          "models "
          "register {} --run {} --alias {}' makes it a challenger",
          trained.run_name, options.model, trained.run_name, kChallenger);
    throw;
  }
}

}  // namespace

CommandSpec retrain_command() {
  return make_command<RetrainOptions>(
      "retrain", "Data and models", "Gather, train a challenger, and promote it where it is no worse than the champion",
      {"anomctl retrain --config pump.toml", "anomctl retrain --config pump.toml --no-promote"}, run);
}

}  // namespace anomctl
