#include "mtad_gat/training_session.h"

#include <ATen/core/grad_mode.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <random>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/model/mtad_gat_network.h"
#include "mtad_gat/torch_device.h"
#include "mtad_gat/training_errors.h"

namespace anomctl {
namespace {

// Where a training may differ between a checkpoint and what goes on from it, or between machines.
constexpr const char* kFree[] = {"threads", "device", "attention_memory", "worker_timeout"};

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// name=value lines of what decides the training.
std::string lines_of(const TrainerOptions& options) {
  std::string text;
  TrainerOptions copy = options;
  for (const Field& f : describe(copy)) {
    if (std::find(std::begin(kFree), std::end(kFree), f.name) == std::end(kFree)) text += f.name + "=" + f.get() + "\n";
  }
  return text;
}

void append(std::string& bytes, const std::vector<std::int64_t>& numbers) {
  bytes.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(std::int64_t));
}

// The batches' losses, added up on the device until the epoch ends: no synchronisation a step.
class LossSums {
 public:
  void add(const at::Tensor& losses) {  // (2) in double
    const at::Tensor squared = losses.square();
    sum_ = batches_++ == 0 ? squared : sum_.add_(squared);
  }
  // The reference's epoch losses: the root of the mean of the batches' squared losses; NaN without a batch.
  std::pair<double, double> root_mean_square() const {
    if (batches_ == 0) return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
    const at::Tensor mean = at::sqrt(sum_ / static_cast<double>(batches_)).to(at::kCPU);
    return {mean[0].item<double>(), mean[1].item<double>()};
  }

 private:
  at::Tensor sum_;
  std::int64_t batches_ = 0;
};

}  // namespace

TrainingSession::TrainingSession(const MtadGatSettings& s, const TrainerOptions& o, const TrainingInput& input,
                                 const TrainingPlace& place)
    : s_(s),
      o_(o),
      input_(input),
      device_(place.device),
      team_(place.team),
      windows_(*input.rows, s.window_size, place.device) {
  checkpoint_.fingerprint = fingerprint();
  std::optional<Checkpoint> saved;
  if (leads() && input.resume && !input.checkpoint.empty())
    saved = load_checkpoint(input.checkpoint, checkpoint_.fingerprint);
  parameters_ = make_parameters(saved                              ? saved->weights
                                : input.initial_weights != nullptr ? *input.initial_weights
                                                                   : initial_weights(s, o.seed),
                                device_);
  adam_ = std::make_unique<Adam>(parameters_);
  checkpoint_.best_loss = std::numeric_limits<double>::infinity();
  if (saved) {
    checkpoint_ = std::move(*saved);
    for (auto [moments, from] : {std::pair{&adam_->first, &checkpoint_.first}, {&adam_->second, &checkpoint_.second}}) {
      for (auto& [name, t] : make_parameters(*from, device_)) (*moments)[name] = t.detach();
    }
  }
  if (team_ != nullptr) meet_team();
  adam_->steps = checkpoint_.steps;
  if (!checkpoint_.epochs.empty()) log_info("going on after epoch {}", checkpoint_.epochs.size());
  step_ = std::make_unique<TrainingStep>(StepParts{s_, parameters_, windows_, o_.aligned_target,
                                                   o_.compat == "reference" ? 0 : kRootEpsilon, team_, input_.stop,
                                                   place.path});
}

void TrainingSession::meet_team() {
  std::string settings = "version=" + input_.version + "\n" + lines_of(o_);
  MtadGatSettings network = s_;
  for (const Field& f : describe(network)) settings += f.name + "=" + f.get() + "\n";
  std::string data = fingerprint();
  append(data, input_.validation);
  team_->meet(settings, sha256_hex(data));
  // Now that all are here: rank 0 may hold what the others are looking for.
  const auto windows = static_cast<std::int64_t>(input_.train.size());
  if (windows < team_->world().size)
    throw UsageError(fmt::format("{} training windows are too few for {} processes", windows, team_->world().size));
  const std::string state = team_->text_from_leader(leads() ? progress_of(checkpoint_).dump() : "");
  if (!leads()) read_progress(Json::parse(state, "rank 0's state"), checkpoint_);
  std::vector<at::Tensor> all;
  for (const auto* part : {&parameters_, &adam_->first, &adam_->second})
    for (const auto& [name, t] : *part) all.push_back(t);
  team_->copy_from_leader(all);
}

TrainingOutput TrainingSession::run() {
  const double begin = now_seconds();
  std::int64_t trained = 0;
  bool stopped = false;
  for (auto epoch = static_cast<std::int64_t>(checkpoint_.epochs.size()) + 1; epoch <= o_.epochs; ++epoch) {
    if (o_.patience && checkpoint_.waited >= *o_.patience) break;
    EpochLosses losses;
    try {
      one_epoch(epoch, losses);
    } catch (const TrainingStopped&) {
      stopped = true;
    } catch (const Error& e) {
      if (e.code() != ExitCode::unreachable || !leads() || checkpoint_.epochs.empty()) throw;
      throw Error(e.code(),
                  fmt::format("{}; epoch {} is kept: anomctl train --resume with the same settings goes on", e.what(),
                              checkpoint_.epochs.size()),
                  e.detail());
    } catch (const std::exception&) {  // what libtorch makes of TrainingStopped on the way back
      if (!input_.stop.stop_requested()) throw;
      stopped = true;
    }
    if (stopped) break;
    trained += static_cast<std::int64_t>(input_.train.size());
    keep(losses);
    if (input_.on_epoch) input_.on_epoch(losses);
  }
  TrainingOutput out;
  out.weights = checkpoint_.best.empty() ? to_tensor_map(parameters_) : checkpoint_.best;
  out.epochs = checkpoint_.epochs;
  out.best_epoch = checkpoint_.best_epoch;
  const double seconds = now_seconds() - begin;
  out.windows_per_second = seconds > 0 ? static_cast<double>(trained) / seconds : 0;
  out.device = device_name(device_);
  out.stopped = stopped;
  return out;
}

void TrainingSession::one_epoch(std::int64_t epoch, EpochLosses& losses) {
  const double begin = now_seconds();
  // Dropout: the same after --resume, and another one in each process.
  const std::int64_t rank = team_ == nullptr ? 0 : team_->world().rank;
  at::manual_seed(o_.seed + static_cast<std::uint64_t>(epoch) + static_cast<std::uint64_t>(rank) * 1'000'000'007);
  if (team_ != nullptr) {  // machines of several kinds round differently
    std::vector<at::Tensor> all;
    for (const auto& [name, p] : parameters_) all.push_back(p);
    team_->copy_from_leader(all);
  }
  losses.epoch = epoch;
  losses.learning_rate = o_.init_lr * std::pow(o_.gamma_lr, static_cast<double>((epoch - 1) / o_.step_lr));
  std::vector<std::int64_t> order = input_.train;
  if (o_.shuffle) {
    std::mt19937_64 random(o_.seed * 1'000'003 + static_cast<std::uint64_t>(epoch));
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  }
  const at::Tensor starts = windows_.starts(order);
  const std::int64_t n = starts.size(0), size = o_.batch_size * processes();
  LossSums sums;
  for (std::int64_t at = 0; at < n; at += size) {
    const std::int64_t count = std::min(size, n - at);
    sums.add(step_->gradients(starts.narrow(0, at, count), [&](const at::Tensor& found) {
      // On the CPU a bad step is caught before it reaches the weights; on a GPU at the end of the epoch.
      if (device_.is_cpu() && !std::isfinite(found.sum().item<double>())) not_finite(epoch);
    }));
    adam_->step(losses.learning_rate);
    if (input_.on_progress) input_.on_progress((epoch - 1) * n + at + count, o_.epochs * n);
  }
  std::tie(losses.train_forecast, losses.train_reconstruction) = sums.root_mean_square();
  losses.train_total = losses.train_forecast + losses.train_reconstruction;
  if (!std::isfinite(losses.train_total)) not_finite(epoch);
  validate(losses);
  losses.seconds = now_seconds() - begin;
}

void TrainingSession::validate(EpochLosses& losses) const {
  const at::Tensor starts = windows_.starts(input_.validation);
  const std::int64_t n = starts.size(0), size = o_.batch_size * processes();
  LossSums sums;
  for (std::int64_t at = 0; at < n; at += size) sums.add(step_->losses(starts.narrow(0, at, std::min(size, n - at))));
  std::tie(losses.val_forecast, losses.val_reconstruction) = sums.root_mean_square();
  losses.val_total = losses.val_forecast + losses.val_reconstruction;
}

void TrainingSession::keep(const EpochLosses& losses) {
  checkpoint_.epochs.push_back(losses);
  const double loss = std::isfinite(losses.val_total) ? losses.val_total : losses.train_total;
  const bool better = loss < checkpoint_.best_loss;
  checkpoint_.waited = better ? 0 : checkpoint_.waited + 1;
  if (better) checkpoint_.best_loss = loss;
  if (better || !o_.best_epoch) {
    checkpoint_.best_epoch = losses.epoch;
    if (leads()) checkpoint_.best = to_tensor_map(parameters_);
  }
  if (!leads() || input_.checkpoint.empty()) return;
  checkpoint_.weights = to_tensor_map(parameters_);
  checkpoint_.first = to_tensor_map(adam_->first);
  checkpoint_.second = to_tensor_map(adam_->second);
  checkpoint_.steps = adam_->steps;
  save_checkpoint(checkpoint_, input_.checkpoint);
}

void TrainingSession::not_finite(std::int64_t epoch) const {
  throw failed(
      fmt::format("the loss of epoch {} is not finite, most likely because of {}: check it, lower --init-lr, or "
                  "choose a scaler{}",
                  epoch, suspect_column(input_),
                  checkpoint_.best_epoch > 0 && !input_.checkpoint.empty()
                      ? fmt::format("; the last good epoch is kept in {}", input_.checkpoint.string())
                      : ""));
}

std::string TrainingSession::fingerprint() const {
  std::string text = s_.to_json().dump();
  TrainerOptions copy = o_;
  copy.batch_size *= processes();  // two with half of it train alike
  for (const Field& f : describe(copy)) {
    if (f.name != "epochs" && std::find(std::begin(kFree), std::end(kFree), f.name) == std::end(kFree))
      text += "\n" + f.name + "=" + f.get();
  }
  const auto values = input_.rows->values();
  text.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  append(text, input_.train);
  return sha256_hex(text);
}

}  // namespace anomctl
