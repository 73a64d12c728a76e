#include "commands/train.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/data/data_set.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/detection/replay.h"
#include "anomctl/detection/thresholds.h"
#include "anomctl/model/native_model.h"
#include "anomctl/registry/run_bundle.h"
#include "anomctl/registry/run_store.h"
#include "commands/git_commit.h"
#include "commands/help.h"
#include "commands/train_work/budget_scores.h"
#include "commands/train_work/logged_model.h"
#include "commands/train_work/network_voice.h"
#include "commands/train_work/train_rows.h"

namespace anomctl {
namespace {

constexpr double kLongTraining = 3600;  // seconds: beyond it train says how to shorten itself
struct Session {
  const TrainOptions& options;
  Progress& progress;
  std::stop_token stop;
  DataSet set;
  TrainRows rows;
  std::unique_ptr<Run> run;
  std::shared_ptr<Bundle> bundle = std::make_shared<Bundle>();
  TrainedRun result;

  bool reference() const { return options.trainer.compat == "reference"; }
  bool with_network() const { return options.kind != "panel"; }
  bool with_panel() const { return options.kind != "mtad-gat" && !reference(); }
};

void describe_rows(const Session& s) {
  log_info("data set {}: {} train rows of {} sensors in {} runs", s.set.name, s.set.train.values.rows(),
           s.set.columns.size(), s.set.train.runs.size());
  if (s.rows.anomalous > 0)
    log_info("left out: {} train rows labelled anomalous, and the windows that touch them", s.rows.anomalous);
  if (s.rows.incomplete > 0)
    log_info("left out of the network's windows: {} train rows with a missing value", s.rows.incomplete);
}

void start_run(Session& s) {
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

void describe_bundle(Session& s) {
  Bundle& b = *s.bundle;
  b.name = s.set.name;
  b.columns = s.set.columns;
  b.period_s = s.set.period_s;
  b.active_when = s.set.active_when;
  b.settle_s = s.set.settle_s;
  b.sensor_limits = fit_sensor_limits(s.set.train.values, s.set.train.runs, s.rows.use);
  b.settings = s.options.network;
  b.settings.n_features = b.settings.out_dim = static_cast<std::int64_t>(s.set.columns.size());
  b.settings.validate();
  b.provenance["run_id"] = s.result.run_id;
  b.provenance["run_name"] = s.result.run_name;
  b.provenance["data_set"] = s.set.name;
  b.provenance["data_set_hash"] = s.set.hash;
  b.provenance["version"] = program_version();
  b.provenance["git_commit"] = git_commit();
  b.provenance["seed"] = s.options.trainer.seed;
}

void say_how_long(const Session& s, Trainer& trainer, std::size_t windows) {
  const TrainerOptions& t = s.options.trainer;
  const double step = trainer.measure_step(s.bundle->settings, t, s.stop);
  if (s.stop.stop_requested()) return;
  const double steps = std::ceil(static_cast<double>(windows) / static_cast<double>(t.batch_size));
  const double total = step * steps * static_cast<double>(t.epochs);
  s.progress.note(fmt::format("{} windows x {} epochs: at most {:.0f} s on this device ({:.0f} windows a second)",
                              windows, t.epochs, total, static_cast<double>(t.batch_size) / step));
  if (total > kLongTraining) {
    const auto factor = static_cast<std::int64_t>(std::ceil(total / kLongTraining));
    s.progress.note(fmt::format("--stride {} brings it under an hour (or create-datasets --downsample {})",
                                t.stride * factor, factor));
  }
}

void log_epoch(Session& s, const EpochLosses& e) {
  const std::pair<const char*, double> values[] = {{"train_forecast_loss", e.train_forecast},
                                                   {"train_reconstruction_loss", e.train_reconstruction},
                                                   {"train_total_loss", e.train_total},
                                                   {"val_forecast_loss", e.val_forecast},
                                                   {"val_reconstruction_loss", e.val_reconstruction},
                                                   {"val_total_loss", e.val_total},
                                                   {"learning_rate", e.learning_rate}};
  for (const auto& [name, value] : values) s.run->log_metric(name, value, e.epoch);
  s.progress.note(fmt::format("epoch {}: train {:.5f}, validation {:.5f} ({:.1f} s)", e.epoch, e.train_total,
                              e.val_total, e.seconds));
}

// Beside the run's metrics: MLflow's client takes a folder at the top of its store for an experiment. With --resume the
// checkpoint of the latest run that left one moves here.
fs::path checkpoint_folder(const Session& s) {
  const auto within = [](const RunInfo& run) { return run.artifacts.parent_path() / "checkpoint"; };
  const fs::path folder = within(s.run->info());
  if (!s.options.resume) return folder;
  const auto here = open_run_store(s.options.tracking.local());
  for (const RunInfo& run : here->list(s.run->info().experiment)) {
    if (run.id == s.run->info().id || !fs::exists(within(run))) continue;
    std::error_code error;
    fs::rename(within(run), folder, error);
    if (error) throw failed(fmt::format("cannot take over {}: {}", within(run).string(), error.message()));
    if (run.status == "RUNNING") here->open(run.id)->finish("KILLED");
    log_info("the checkpoint of run {}", run.name);
    break;
  }
  return folder;
}

void train_network(Session& s) {
  Trainer& trainer = load_trainer();
  const Scaler::Kind kind = s.reference() ? Scaler::Kind::none : Scaler::parse_kind(s.options.scaler);
  s.bundle->scaler = Scaler::fit(kind, s.set.train.values, s.rows.use);
  const Matrix<float> scaled = scaled_rows(s.bundle->scaler, s.set.train.values);
  const TrainerOptions resolved = s.options.trainer.resolved();
  std::vector<std::pair<std::int64_t, std::int64_t>> runs;
  for (const RowRange& run : s.set.train.runs) runs.emplace_back(run.first, run.last);
  const std::int64_t window = s.bundle->settings.window_size;
  const auto starts = window_starts(runs, window, resolved.stride, s.rows.complete);
  const std::vector<std::uint8_t> every_row(s.rows.complete.size(), 1);
  const auto left_out = window_starts(runs, window, resolved.stride, every_row).size() - starts.size();
  if (left_out > 0)
    log_info("left out: {} windows that touch a row labelled anomalous or with a missing value", left_out);
  const WindowSplit split = split_windows(starts, window, resolved);
  if (split.train.empty()) {
    throw input_error(fmt::format("no run of {} has {} normal rows without a gap: choose a --window-size below {}",
                                  s.set.folder.string(), window + 1, window));
  }
  say_how_long(s, trainer, split.train.size());
  TrainingInput input;
  input.rows = &scaled;
  input.train = split.train;
  input.validation = split.validation;
  for (const Column& c : s.set.columns) input.columns.push_back(c.name);
  input.checkpoint = checkpoint_folder(s);
  input.resume = s.options.resume;
  input.stop = s.stop;
  input.on_epoch = [&](const EpochLosses& e) { log_epoch(s, e); };
  input.on_progress = [&](std::int64_t done, std::int64_t) { s.progress.update(done); };
  s.progress.begin("training", static_cast<std::int64_t>(split.train.size()) * resolved.epochs, "windows");
  TrainingOutput out = trainer.train(s.bundle->settings, s.options.trainer, input);
  s.progress.end();
  s.bundle->weights = std::move(out.weights);
  s.bundle->provenance["trained_on"] = out.device;
  s.bundle->provenance["libtorch"] = trainer.version();
  s.result.epochs = std::move(out.epochs);
  s.result.best_epoch = out.best_epoch;
  s.result.windows_per_second = out.windows_per_second;
  s.result.stopped = out.stopped;
  std::error_code ignored;
  if (!out.stopped) fs::remove_all(input.checkpoint, ignored);
}

// The rows that stopped the training and took no part in it: the last ones.
Part held_out(const Session& s) {
  const auto n = static_cast<std::int64_t>(s.set.train.values.rows());
  const double share = std::max(s.options.trainer.val_split, 0.1);
  const std::int64_t first = std::max<std::int64_t>(
      0, n - std::max(static_cast<std::int64_t>(share * static_cast<double>(n)), 3 * s.bundle->settings.window_size));
  return slice(s.set.train, first, n - 1);
}

int all_threads() { return static_cast<int>(std::max(1U, std::thread::hardware_concurrency())); }

void fit_panels(Session& s) {
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

// How errors become scores, from rows that took no part in the training; with a panel also the network's weight beside
// it.
void fit_network_score(Session& s) {
  Bundle& b = *s.bundle;
  b.score = s.reference() ? ScoreSettings::reference(s.options.score.gamma) : s.options.score;
  if (b.weights.empty() || s.reference()) return;
  const auto model = make_native_model(b.settings, b.weights, {.threads = all_threads()});
  b.provenance["engine"] = model->engine();
  const Part held = held_out(s);
  const HeldOutErrors errors = held_out_errors(s.bundle, *model, held, {});
  b.score = fit_score(b.score, errors);
  if (b.panel == nullptr) return;
  b.network_voice = network_voice(b, errors, held);
  if (b.network_voice < 0.02) b.network_voice = 0;
  s.run->log_metric("network_voice", b.network_voice, 0);
  s.result.findings +=
      b.network_voice > 0
          ? fmt::format("; MTAD-GAT's forecast saves {:.0f} % of the linear forecast's error", 100 * b.network_voice)
          : "; MTAD-GAT forecasts no better than a linear model: it stays silent";
  if (b.network_voice == 0) return;
  auto alone = std::make_shared<Bundle>(b);
  alone->panel.reset();
  std::vector<double> scores = score_rows(alone, *model, held, {});
  std::erase_if(scores, [](double v) { return !std::isfinite(v); });
  b.network_tail = TailCurve::fit(std::move(scores));
}

void fit_scores(Session& s) {
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
void fit_budget(Session& s) {
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

void keep(Session& s) {
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

int run(const TrainOptions& options, Context& context) {
  validate(options);
  const TrainedRun r = train(options, context.progress(), context.stop().token());
  context.result = to_json(r);
  context.text(fmt::format("run {} ({})", r.run_name, r.run_id));
  if (r.stopped) {
    context.text(
        fmt::format("stopped after {} epochs; anomctl train --resume with the same settings goes on", r.epochs.size()));
    return context.stop().exit_code(0);
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

TrainedRun train(const TrainOptions& options, Progress& progress, std::stop_token stop) {
  Session s{options, progress, stop};
  s.set = load_data_set(find_data_set(options.datasets_dir, options.dataset));
  s.rows = choose_train_rows(s.set);
  describe_rows(s);
  start_run(s);
  try {
    describe_bundle(s);
    if (s.with_panel()) fit_panels(s);  // first: it takes seconds and says at once when the data will not do
    if (s.with_network())
      train_network(s);
    else
      s.bundle->scaler = Scaler::fit(Scaler::parse_kind(s.options.scaler), s.set.train.values, s.rows.use);
    if (!s.stop.stop_requested()) fit_scores(s);
    if (!s.stop.stop_requested()) fit_budget(s);
    s.result.stopped = s.stop.stop_requested();
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
