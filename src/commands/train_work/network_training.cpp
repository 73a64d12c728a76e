#include "commands/train_work/network_training.h"

#include <fmt/core.h>

#include <cmath>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/detection/replay.h"
#include "anomctl/model/linear_part.h"
#include "anomctl/model/mtad_gat_network.h"
#include "anomctl/model/native_model.h"
#include "commands/help.h"
#include "commands/train_work/checkpoint_folder.h"
#include "commands/train_work/network_voice.h"

namespace anomctl {
namespace {

constexpr double kLongTraining = 3600;  // seconds: beyond it train says how to shorten itself

void say_how_long(const TrainSession& s, Trainer& trainer, std::size_t windows) {
  const TrainerOptions& t = s.options.trainer;
  const double step = trainer.measure_step(s.bundle->settings, t, s.stop);
  if (s.stop.stop_requested()) return;
  const auto batch = static_cast<double>(t.batch_size * s.world.size);
  const double steps = std::ceil(static_cast<double>(windows) / batch);
  const double total = step * steps * static_cast<double>(t.epochs);
  s.progress.note(fmt::format("{} windows x {} epochs: at most {:.0f} s on this device ({:.0f} windows a second)",
                              windows, t.epochs, total, batch / step));
  if (total > kLongTraining) {
    const auto factor = static_cast<std::int64_t>(std::ceil(total / kLongTraining));
    s.progress.note(fmt::format("--stride {} brings it under an hour (or create-datasets --downsample {})",
                                t.stride * factor, factor));
  }
}

void log_epoch(TrainSession& s, const EpochLosses& e) {
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

// Whose checkpoint is gone on from.
Resume resume_from(const TrainSession& s) {
  if (s.options.resume) return Resume::latest_checkpoint;
  return s.world.attempt > 0 ? Resume::last_run : Resume::no;
}

// The rows that stopped the training and took no part in it: the last ones.
Part held_out(const TrainSession& s) {
  const auto n = static_cast<std::int64_t>(s.set.train.values.rows());
  const double share = std::max(s.options.trainer.val_split, 0.1);
  const std::int64_t first = std::max<std::int64_t>(
      0, n - std::max(static_cast<std::int64_t>(share * static_cast<double>(n)), 3 * s.bundle->settings.window_size));
  return slice(s.set.train, first, n - 1);
}

// Takes back what held-out rows do not bear out of the network's correction of its linear part.
void gate_network(TrainSession& s, const Part& held) {
  Bundle& b = *s.bundle;
  const NativeModelOptions threads{.threads = all_threads()};
  const TensorMap alone = linear_part_alone(b.settings, b.weights);
  const HeldOutErrors linear = held_out_errors(s.bundle, *make_native_model(b.settings, alone, threads), held, {});
  const HeldOutErrors corrected =
      held_out_errors(s.bundle, *make_native_model(b.settings, b.weights, threads), held, {});
  const double explained = gate_correction(b.settings, corrected.forecast, linear.forecast, linear.actual, b.weights);
  s.run->log_metric("network_beyond_linear", explained, 0);
  s.result.findings += fmt::format(
      "{}MTAD-GAT {}", s.result.findings.empty() ? "" : "; ",
      explained >= 0.01 ? fmt::format("explains {:.0f} % of what its linear part leaves over", 100 * explained)
                        : "finds next to nothing beyond its linear part");
}

}  // namespace

void train_network(TrainSession& s) {
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
  if (s.world.leads()) say_how_long(s, trainer, split.train.size());
  TrainingInput input;
  input.rows = &scaled;
  input.train = split.train;
  input.validation = split.validation;
  for (const Column& c : s.set.columns) input.columns.push_back(c.name);
  input.version = program_version();
  input.team = s.team.get();
  input.stop = s.stop;
  TensorMap start;
  if (s.bundle->settings.linear_rows > 0) {
    start = initial_weights(s.bundle->settings, static_cast<std::uint64_t>(resolved.seed));
    fit_linear_part(s.bundle->settings, scaled, split.train, start);
    input.initial_weights = &start;
  }
  CheckpointFolder checkpoint;
  if (s.world.leads()) {
    input.resume = resume_from(s) != Resume::no;
    checkpoint = checkpoint_folder(s.run->info(), *open_run_store(s.options.tracking.local()), resume_from(s));
    input.checkpoint = checkpoint.folder;
    input.on_epoch = [&](const EpochLosses& e) { log_epoch(s, e); };
  }
  input.on_progress = [&](std::int64_t done, std::int64_t) { s.progress.update(done); };
  s.progress.begin("training", static_cast<std::int64_t>(split.train.size()) * resolved.epochs, "windows");
  TrainingOutput out;
  try {
    out = trainer.train(s.bundle->settings, s.options.trainer, input);
  } catch (const UsageError&) {  // before the first step: it is of another training
    checkpoint.give_back();
    throw;
  }
  s.progress.end();
  s.bundle->weights = std::move(out.weights);
  s.bundle->provenance["trained_on"] = out.device;
  s.bundle->provenance["libtorch"] = trainer.version();
  s.result.epochs = std::move(out.epochs);
  s.result.best_epoch = out.best_epoch;
  s.result.windows_per_second = out.windows_per_second;
  s.result.stopped = out.stopped;
  std::error_code ignored;
  if (!out.stopped && s.world.leads()) fs::remove_all(input.checkpoint, ignored);
}

void fit_network_score(TrainSession& s) {
  Bundle& b = *s.bundle;
  b.score = s.reference() ? ScoreSettings::reference(s.options.score.gamma) : s.options.score;
  if (b.weights.empty() || s.reference()) return;
  const Part held = held_out(s);
  if (b.settings.linear_rows > 0) gate_network(s, held);
  const auto model = make_native_model(b.settings, b.weights, {.threads = all_threads()});
  b.provenance["engine"] = model->engine();
  const HeldOutErrors errors = held_out_errors(s.bundle, *model, held, {});
  b.score = fit_score(b.score, errors);
  if (b.panel == nullptr) return;
  b.network_voice = network_voice(b, errors, held);
  if (b.network_voice < 0.02) b.network_voice = 0;
  s.run->log_metric("network_voice", b.network_voice, 0);
  s.result.findings +=
      b.network_voice > 0
          ? fmt::format("; MTAD-GAT's forecast saves {:.0f} % of the panel's error and speaks beside it",
                        100 * b.network_voice)
          : "; MTAD-GAT's forecast is no better than the panel's: it stays silent";
  if (b.network_voice == 0) return;
  auto alone = std::make_shared<Bundle>(b);
  alone->panel.reset();
  std::vector<double> scores = score_rows(alone, *model, held, {});
  std::erase_if(scores, [](double v) { return !std::isfinite(v); });
  b.network_tail = TailCurve::fit(std::move(scores));
}

}  // namespace anomctl
