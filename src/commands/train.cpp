#include "commands/train.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>

#include "anomctl/core/config.h"
#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/core/log_level.h"
#include "anomctl/data/data_set.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/detection/replay.h"
#include "anomctl/detection/thresholds.h"
#include "anomctl/registry/run_bundle.h"
#include "anomctl/registry/run_store.h"
#include "commands/git_commit.h"
#include "commands/help.h"
#include "commands/open_model.h"
#include "commands/train_work/budget_scores.h"
#include "commands/train_work/logged_model.h"
#include "commands/train_work/network_training.h"
#include "commands/train_work/session.h"

namespace anomctl {
namespace {

void describe_rows(const TrainSession& s) {
  log_info("data set {}: {} train rows of {} sensors in {} runs", s.set.name, s.set.train.values.rows(),
           s.set.columns.size(), s.set.train.runs.size());
  if (s.rows.anomalous > 0)
    log_info("left out: {} train rows labelled anomalous, and the windows that touch them", s.rows.anomalous);
  if (s.rows.incomplete > 0)
    log_info("left out of the network's windows: {} train rows with a missing value", s.rows.incomplete);
}

void start_run(TrainSession& s) {
  TrackingSettings tracking = s.options.tracking;
  tracking.stop = s.stop;
  s.run = open_run_store(tracking)->create(s.set.name + "_training", s.options.run_name);
  s.result.run_id = s.run->info().id;
  s.result.run_name = s.run->info().name;
  TrainOptions copy = s.options;
  copy.dataset = s.set.name;
  for (const Field& f : describe(copy))
    if (!f.name.starts_with("tracking_")) s.run->log_param(f.name, f.get());
  s.run->set_tag("mlflow.source.git.commit", git_commit());
  s.run->set_tag("anomctl.version", program_version());
  s.run->set_tag("anomctl.data_set_hash", s.set.hash);
}

void describe_bundle(TrainSession& s) {
  Bundle& b = *s.bundle;
  b.name = s.set.name;
  b.columns = s.set.columns;
  b.period_s = s.set.period_s;
  b.active_when = s.set.active_when;
  b.settle_s = s.set.settle_s;
  b.sensor_limits = fit_sensor_limits(s.set.train.values, s.set.train.runs, s.rows.use);
  b.settings = s.options.network;
  if (s.reference()) b.settings.linear_rows = 0;
  b.settings.linear_rows = std::min(b.settings.linear_rows, b.settings.window_size);
  b.settings.n_features = b.settings.out_dim = static_cast<std::int64_t>(s.set.columns.size());
  b.settings.validate();
  b.provenance["run_id"] = s.result.run_id;
  b.provenance["run_name"] = s.result.run_name;
  b.provenance["data_set"] = s.set.name;
  b.provenance["data_set_hash"] = s.set.hash;
  b.provenance["version"] = program_version();
  b.provenance["git_commit"] = git_commit();
  b.provenance["seed"] = s.options.trainer.seed;
  if (s.world.size > 1) b.provenance["processes"] = s.world.size;
}

void fit_panels(TrainSession& s) {
  s.progress.note("fitting the panel");
  auto panel =
      std::make_shared<PanelModel>(fit_panel(s.set.train.values, s.set.train.runs, s.rows.use, s.options.panel));
  RelationSettings settings = s.options.relation;
  settings.seed = static_cast<std::uint64_t>(s.options.trainer.seed);
  const RelationNetwork relation =
      fit_network_member(*panel, s.set.train.values, s.set.train.runs, s.rows.use, settings);
  s.result.findings = describe_voice(relation);
  s.run->log_metric("relation_network_voice", relation.voice, 0);
  s.bundle->panel = std::move(panel);
  s.bundle->kind = s.with_network() ? "panel+mtad-gat" : "panel";
}

void fit_scores(TrainSession& s) {
  fit_network_score(s);
  Bundle& b = *s.bundle;
  const auto model = open_window_model(b, all_threads());
  ReplayOptions replay;
  replay.use = s.rows.use;
  replay.stop = s.stop;
  replay.on_progress = [&](std::size_t done) { s.progress.update(static_cast<std::int64_t>(done)); };
  s.progress.begin("scoring train rows", static_cast<std::int64_t>(s.set.train.values.rows()), "rows");
  const std::vector<double> scores = score_rows(s.bundle, *model, s.set.train, replay);
  s.progress.end();
  if (s.stop.stop_requested()) return;
  PotSettings pot;
  if (s.reference()) pot.mode = "reference";
  try {
    b.thresholds["pot"] = pot_threshold(scores, pot);
    b.chosen_threshold = "pot";
  } catch (const Error& e) {
    log_warning("no POT limit: {}", e.what());
  }
  b.thresholds["epsilon"] = epsilon_threshold(scores);
  if (b.chosen_threshold.empty()) b.chosen_threshold = "epsilon";
  s.result.thresholds = b.thresholds;
  s.result.chosen_threshold = b.chosen_threshold;
  for (const auto& [name, value] : b.thresholds) s.run->log_metric("threshold_" + name, value, 0);
}

// What --budget needs later.
void fit_budget(TrainSession& s) {
  if (s.reference()) return;
  s.progress.note("calibrating for a budget of false episodes");
  Bundle& b = *s.bundle;
  const StrangerScores found =
      stranger_scores({s.bundle, s.set.train, s.rows.use, std::max(s.options.trainer.val_split, 0.1), s.stop});
  if (s.stop.stop_requested()) return;
  try {
    b.budget = calibrate_budget(found.scores, b.period_s);
    b.budget->source = found.source;
  } catch (const Error& e) {
    log_warning("no budget can be kept with this bundle: {}", e.what());
  }
}

void keep(TrainSession& s) {
  log_bundle(*s.bundle, *s.run);
  s.result.bundle = s.run->info().artifacts / kRunBundleFolder;
  if (!s.options.output.empty()) save_bundle(*s.bundle, s.options.output);
}

Json to_json(const TrainedRun& r) {
  Json j = Json::object();
  j["run_id"] = r.run_id;
  j["run_name"] = r.run_name;
  j["bundle"] = r.bundle.string();
  j["epochs"] = Json::array();
  for (const EpochLosses& e : r.epochs) {
    Json row = Json::object();
    row["epoch"] = e.epoch;
    row["train_loss"] = e.train_total;
    row["val_loss"] = e.val_total;
    row["seconds"] = e.seconds;
    j["epochs"].push_back(std::move(row));
  }
  j["best_epoch"] = r.best_epoch;
  j["windows_per_second"] = r.windows_per_second;
  j["thresholds"] = Json::object();
  for (const auto& [name, value] : r.thresholds) j["thresholds"][name] = value;
  j["chosen_threshold"] = r.chosen_threshold;
  if (!r.findings.empty()) j["findings"] = r.findings;
  return j;
}

// One of several processes: rank 0 alone speaks, but for warnings and errors, which say whose they are.
TrainedRun train_in_team(const TrainOptions& options, Context& context, const World& world) {
  if (options.kind == "panel")
    throw UsageError("--kind panel is fitted in one process: start anomctl train without torchrun");
  NoProgress silent;
  if (!world.leads()) {
    raise_log_level(LogLevel::warning);
    if (std::freopen("/dev/null", "w", stdout) == nullptr) throw failed("cannot open /dev/null");
  }
  try {
    return train(options, world.leads() ? context.progress() : silent, context.stop().token(), world);
  } catch (const Error& e) {
    throw Error(e.code(), fmt::format("{}: {}", world.name(), e.what()), e.detail());
  }
}

int run(const TrainOptions& options, Context& context) {
  validate(options);
  const World world = world_from(process_environment());
  const TrainedRun r = world.size > 1 ? train_in_team(options, context, world)
                                      : train(options, context.progress(), context.stop().token(), world);
  context.result = to_json(r);
  context.text(fmt::format("run {} ({})", r.run_name, r.run_id));
  if (r.stopped) {
    context.text(
        fmt::format("stopped after {} epochs; anomctl train --resume with the same settings goes on", r.epochs.size()));
    return context.stop().exit_code(128 + SIGTERM);  // where another process was told to stop
  }
  if (!r.epochs.empty()) {
    context.text(fmt::format("{} epochs, the best is {}; {:.0f} windows a second", r.epochs.size(), r.best_epoch,
                             r.windows_per_second));
  }
  if (!r.findings.empty()) context.text(r.findings);
  if (!r.chosen_threshold.empty()) {
    context.text(fmt::format("limit {:.6g} ({})", r.thresholds.at(r.chosen_threshold), r.chosen_threshold));
  }
  context.text(fmt::format("bundle {}", r.bundle.string()));
  return context.stop().exit_code(0);
}

}  // namespace

void validate(const TrainOptions& options) {
  if (options.network.kernel_size % 2 == 0) {
    throw UsageError(fmt::format("--kernel-size {} is even: the convolution needs an odd width such as {}",
                                 options.network.kernel_size, options.network.kernel_size + 1));
  }
  if (options.trainer.compat == "reference" && options.kind == "panel") {
    throw UsageError("--compat reference trains MTAD-GAT as the reference does: it has no --kind panel");
  }
  if (options.trainer.stride > 1 && options.trainer.split_by_time && options.trainer.val_split > 0.5) {
    throw UsageError("--val-split above 0.5 leaves too little to train on");
  }
}

TrainedRun train(const TrainOptions& options, Progress& progress, std::stop_token stop, const World& world) {
  TrainSession s{options, progress, stop, world};
  if (world.size > 1) s.team = load_trainer().join(world, options.trainer.worker_timeout, stop);
  if (s.with_network()) check_device(device_for(world, options.trainer.device, 0));  // at once; auto is never wrong
  s.set = load_data_set(find_data_set(options.datasets_dir, options.dataset));
  s.rows = choose_train_rows(s.set);
  describe_rows(s);
  if (!world.leads()) {
    describe_bundle(s);
    train_network(s);
    return s.result;
  }
  start_run(s);
  try {
    describe_bundle(s);
    if (s.with_panel()) fit_panels(s);  // first: it takes seconds and says at once when the data will not do
    if (s.with_network())
      train_network(s);
    else
      s.bundle->scaler = Scaler::fit(Scaler::parse_kind(s.options.scaler), s.set.train.values, s.rows.use);
    const auto stopped = [&s] { return s.result.stopped || s.stop.stop_requested(); };
    if (!stopped()) fit_scores(s);
    if (!stopped()) fit_budget(s);
    s.result.stopped = stopped();
    if (!s.result.stopped) keep(s);
    s.run->finish(s.result.stopped ? "KILLED" : "FINISHED");
  } catch (const std::exception&) {
    s.run->finish("FAILED");
    throw;
  }
  return s.result;
}

CommandSpec train_command() {
  return make_command<TrainOptions>("train", "Data and models", "Fit a detector on a data set, as a tracked run",
                                    {"anomctl train", "anomctl train --dataset pump --window-size 60 --epochs 10",
                                     "anomctl train --compat reference --dataset cats"},
                                    run);
}

}  // namespace anomctl
