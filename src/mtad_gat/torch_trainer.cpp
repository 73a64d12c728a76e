#include "mtad_gat/torch_trainer.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <fmt/core.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/model/mtad_gat_network.h"
#include "anomctl/model/trainer_module.h"
#include "mtad_gat/adam.h"
#include "mtad_gat/checkpoint.h"
#include "mtad_gat/kept_memory.h"
#include "mtad_gat/losses.h"
#include "mtad_gat/torch_device.h"

namespace anomctl {
namespace {

constexpr double kRootEpsilon = 1e-12;  // below the roots of the losses; the reference has none

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// All windows of the series as a view: (n - w, w + 1, k) without copying.
class Windows {
 public:
  Windows(const Matrix<float>& rows, std::int64_t window, const at::Device& device) : window_(window) {
    const at::Tensor all =
        at::from_blob(const_cast<float*>(rows.data()),
                      {static_cast<std::int64_t>(rows.rows()), static_cast<std::int64_t>(rows.cols())}, at::kFloat);
    view_ = all.to(device, at::kFloat, false, true).unfold(0, window + 1, 1);  // (n - w, k, w + 1)
  }
  // x: (b, w, k), y: (b, k)
  std::pair<at::Tensor, at::Tensor> batch(std::span<const std::int64_t> starts) const {
    const at::Tensor index =
        at::from_blob(const_cast<std::int64_t*>(starts.data()), {static_cast<std::int64_t>(starts.size())}, at::kLong)
            .to(view_.device());
    const at::Tensor all = view_.index_select(0, index).transpose(1, 2).contiguous();  // (b, w + 1, k)
    return {all.narrow(1, 0, window_), all.select(1, window_)};
  }

 private:
  std::int64_t window_;
  at::Tensor view_;
};

// Losses of batches, kept on the device until the epoch ends: no synchronisation a step.
struct LossSums {
  std::vector<at::Tensor> forecast, reconstruction;
  void add(const Losses& l) {
    forecast.push_back(l.forecast.detach());
    reconstruction.push_back(l.reconstruction.detach());
  }
  // The reference's epoch loss: the root of the mean of the batches' squared losses.
  static double root_mean_square(const std::vector<at::Tensor>& losses) {
    if (losses.empty()) return std::numeric_limits<double>::quiet_NaN();
    const at::Tensor all = at::stack(losses).to(at::kCPU, at::kDouble);
    return std::sqrt((all * all).mean().item<double>());
  }
};

std::string suspect_column(const TrainingInput& input) {
  const Matrix<float>& rows = *input.rows;
  std::size_t worst = 0;
  float widest = -1;
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    for (std::size_t c = 0; c < rows.cols(); ++c) {
      const float size = std::isfinite(rows(r, c)) ? std::fabs(rows(r, c)) : std::numeric_limits<float>::infinity();
      if (size > widest) widest = size, worst = c;
    }
  }
  return fmt::format("column '{}', whose scaled values reach {:g}",
                     worst < input.columns.size() ? input.columns[worst] : std::to_string(worst), widest);
}

[[noreturn]] void translate(const std::exception& e, const TrainerOptions& options) {
  const std::string what = e.what();
  if (what.find("out of memory") != std::string::npos || what.find("can't allocate memory") != std::string::npos ||
      dynamic_cast<const std::bad_alloc*>(&e) != nullptr) {
    throw Error(ExitCode::failed,
                fmt::format("out of memory with {} windows a step: try --batch-size {}", options.batch_size,
                            std::max<std::int64_t>(1, options.batch_size / 4)),
                what);
  }
  throw Error(ExitCode::failed, fmt::format("libtorch failed: {}", what.substr(0, what.find('\n'))), what);
}

class Session {
 public:
  Session(const MtadGatSettings& s, const TrainerOptions& o, const TrainingInput& input)
      : s_(s), o_(o), input_(input), device_(choose_device(o.device)), windows_(*input.rows, s.window_size, device_) {
    checkpoint_.fingerprint = fingerprint();
    std::optional<Checkpoint> saved;
    if (input.resume && !input.checkpoint.empty()) saved = load_checkpoint(input.checkpoint, checkpoint_.fingerprint);
    parameters_ = make_parameters(saved                              ? saved->weights
                                  : input.initial_weights != nullptr ? *input.initial_weights
                                                                     : initial_weights(s, o.seed),
                                  device_);
    adam_ = std::make_unique<Adam>(parameters_);
    checkpoint_.best_loss = std::numeric_limits<double>::infinity();
    if (!saved) return;
    checkpoint_ = std::move(*saved);
    adam_->steps = checkpoint_.steps;
    for (auto [moments, from] : {std::pair{&adam_->first, &checkpoint_.first}, {&adam_->second, &checkpoint_.second}}) {
      for (auto& [name, t] : make_parameters(*from, device_)) (*moments)[name] = t.detach();
    }
    log_info("going on after epoch {}", checkpoint_.epochs.size());
  }

  TrainingOutput run() {
    const double begin = now_seconds();
    std::int64_t trained = 0;
    bool stopped = false;
    for (auto epoch = static_cast<std::int64_t>(checkpoint_.epochs.size()) + 1; epoch <= o_.epochs; ++epoch) {
      if (o_.patience && checkpoint_.waited >= *o_.patience) break;
      EpochLosses losses;
      try {
        one_epoch(epoch, losses);
      } catch (const std::exception&) {  // TrainingStopped, or what libtorch makes of it
        if (!input_.stop.stop_requested()) throw;
        stopped = true;
        break;
      }
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

 private:
  // Throws when the stop token came: the epoch does not count.
  void one_epoch(std::int64_t epoch, EpochLosses& losses) {
    const double begin = now_seconds();
    at::manual_seed(o_.seed + static_cast<std::uint64_t>(epoch));  // dropout: the same after --resume
    losses.epoch = epoch;
    losses.learning_rate = o_.init_lr * std::pow(o_.gamma_lr, static_cast<double>((epoch - 1) / o_.step_lr));
    std::vector<std::int64_t> order = input_.train;
    if (o_.shuffle) {
      std::mt19937_64 random(o_.seed * 1'000'003 + static_cast<std::uint64_t>(epoch));
      for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
    }
    LossSums sums;
    const double epsilon = o_.compat == "reference" ? 0 : kRootEpsilon;
    for (std::size_t at = 0; at < order.size(); at += static_cast<std::size_t>(o_.batch_size)) {
      const auto batch =
          std::span(order).subspan(at, std::min(order.size() - at, static_cast<std::size_t>(o_.batch_size)));
      const auto [x, y] = windows_.batch(batch);
      TensorBackend backend(parameters_, s_.dropout, true, input_.stop);
      const Losses l = mtad_gat_losses(backend, s_, x, y, o_.aligned_target, epsilon);
      const at::Tensor total = l.forecast + l.reconstruction;
      // On the CPU a bad step is caught before it reaches the weights; on a GPU at the end of the epoch.
      if (device_.is_cpu() && !std::isfinite(total.item<float>())) not_finite(epoch);
      total.backward();
      adam_->step(losses.learning_rate);
      sums.add(l);
      if (input_.on_progress) {
        input_.on_progress(
            (epoch - 1) * static_cast<std::int64_t>(order.size()) + static_cast<std::int64_t>(at + batch.size()),
            o_.epochs * static_cast<std::int64_t>(order.size()));
      }
    }
    losses.train_forecast = LossSums::root_mean_square(sums.forecast);
    losses.train_reconstruction = LossSums::root_mean_square(sums.reconstruction);
    losses.train_total = losses.train_forecast + losses.train_reconstruction;
    if (!std::isfinite(losses.train_total)) not_finite(epoch);
    validate(losses, epsilon);
    losses.seconds = now_seconds() - begin;
  }

  void validate(EpochLosses& losses, double epsilon) {
    const at::NoGradGuard no_gradient;
    LossSums sums;
    const auto size = static_cast<std::size_t>(o_.batch_size);
    for (std::size_t at = 0; at < input_.validation.size(); at += size) {
      const auto [x, y] =
          windows_.batch(std::span(input_.validation).subspan(at, std::min(input_.validation.size() - at, size)));
      TensorBackend backend(parameters_, 0, false, input_.stop);
      sums.add(mtad_gat_losses(backend, s_, x, y, o_.aligned_target, epsilon));
    }
    losses.val_forecast = LossSums::root_mean_square(sums.forecast);
    losses.val_reconstruction = LossSums::root_mean_square(sums.reconstruction);
    losses.val_total = losses.val_forecast + losses.val_reconstruction;
  }

  // Remembers the epoch; the best one's weights, or the last one's.
  void keep(const EpochLosses& losses) {
    checkpoint_.epochs.push_back(losses);
    const double loss = std::isfinite(losses.val_total) ? losses.val_total : losses.train_total;
    const bool better = loss < checkpoint_.best_loss;
    checkpoint_.waited = better ? 0 : checkpoint_.waited + 1;
    if (better) checkpoint_.best_loss = loss;
    if (better || !o_.best_epoch) {
      checkpoint_.best_epoch = losses.epoch;
      checkpoint_.best = to_tensor_map(parameters_);
    }
    if (input_.checkpoint.empty()) return;
    checkpoint_.weights = to_tensor_map(parameters_);
    checkpoint_.first = to_tensor_map(adam_->first);
    checkpoint_.second = to_tensor_map(adam_->second);
    checkpoint_.steps = adam_->steps;
    save_checkpoint(checkpoint_, input_.checkpoint);
  }

  [[noreturn]] void not_finite(std::int64_t epoch) {
    throw failed(
        fmt::format("the loss of epoch {} is not finite, most likely because of {}: check it, lower --init-lr, or "
                    "choose a scaler{}",
                    epoch, suspect_column(input_),
                    checkpoint_.best_epoch > 0 && !input_.checkpoint.empty()
                        ? fmt::format("; the last good epoch is kept in {}", input_.checkpoint.string())
                        : ""));
  }

  std::string fingerprint() const {
    std::string text = s_.to_json().dump();
    TrainerOptions copy = o_;
    for (const Field& f : describe(copy)) {
      if (f.name != "epochs" && f.name != "threads" && f.name != "device") text += "\n" + f.name + "=" + f.get();
    }
    const auto values = input_.rows->values();
    text.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
    text.append(reinterpret_cast<const char*>(input_.train.data()), input_.train.size() * sizeof(std::int64_t));
    return sha256_hex(text);
  }

  const MtadGatSettings& s_;
  const TrainerOptions& o_;
  const TrainingInput& input_;
  at::Device device_;
  Windows windows_;
  Parameters parameters_;
  std::unique_ptr<Adam> adam_;
  Checkpoint checkpoint_;
};

void use_threads(const TrainerOptions& options) {
  const int n = options.threads > 0 ? static_cast<int>(options.threads)
                                    : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  at::set_num_threads(n);
}

}  // namespace

TrainingOutput TorchTrainer::train(const MtadGatSettings& settings, const TrainerOptions& given,
                                   const TrainingInput& input) {
  const TrainerOptions options = given.resolved();
  settings.validate();
  if (input.train.empty())
    throw input_error("there is no training window: fewer normal rows in one run than a window and its target");
  use_threads(options);
  const KeptMemory memory;
  try {
    return Session(settings, options, input).run();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    translate(e, options);
  }
}

double TorchTrainer::measure_step(const MtadGatSettings& settings, const TrainerOptions& given, std::stop_token stop) {
  TrainerOptions options = given.resolved();
  use_threads(options);
  const KeptMemory memory;
  try {
    const at::Device device = choose_device(options.device);
    Parameters parameters = make_parameters(initial_weights(settings, 0), device);
    Adam adam(parameters);
    const at::Tensor x = at::randn({options.batch_size, settings.window_size, settings.n_features}, device);
    const at::Tensor y = at::randn({options.batch_size, settings.n_features}, device);
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 3; ++i) {
      const double begin = now_seconds();
      TensorBackend backend(parameters, settings.dropout, true, stop);
      const Losses l = mtad_gat_losses(backend, settings, x, y, options.aligned_target, kRootEpsilon);
      (l.forecast + l.reconstruction).backward();
      adam.step(1e-9);
      static_cast<void>(l.forecast.item<float>());
      best = std::min(best, now_seconds() - begin);
    }
    return best;
  } catch (const TrainingStopped&) {
    return 0;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    translate(e, options);
  }
}

std::string TorchTrainer::version() const { return TORCH_VERSION; }
std::vector<std::string> TorchTrainer::devices() const { return usable_devices(); }

}  // namespace anomctl

extern "C" anomctl::Trainer* anomctl_torch_module(int abi) {
  static anomctl::TorchTrainer trainer;
  return abi == anomctl::kTrainerAbi ? &trainer : nullptr;
}
