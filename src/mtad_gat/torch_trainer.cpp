#include "mtad_gat/torch_trainer.h"

#include <ATen/Parallel.h>
#include <fmt/core.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/model/mtad_gat_network.h"
#include "anomctl/model/trainer_module.h"
#include "mtad_gat/adam.h"
#include "mtad_gat/kept_memory.h"
#include "mtad_gat/losses.h"
#include "mtad_gat/team.h"
#include "mtad_gat/torch_device.h"
#include "mtad_gat/training_errors.h"
#include "mtad_gat/training_session.h"

namespace anomctl {
namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Processes of one machine share its cores.
void use_threads(const TrainerOptions& options, const World& world) {
  const auto cores = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  const std::int64_t n = options.threads > 0 ? options.threads : std::max<std::int64_t>(1, cores / world.local_size);
  at::set_num_threads(static_cast<int>(n));
}

TensorPath path_of(const TrainerOptions& options) { return {.attention_bytes = options.attention_memory << 20}; }

std::int64_t gpus() { return static_cast<std::int64_t>(usable_devices().size()) - 1; }

}  // namespace

std::shared_ptr<Team> TorchTrainer::join(const World& world, Duration timeout, std::stop_token stop) {
  return std::make_shared<TorchTeam>(world, timeout, std::move(stop));
}

TrainingOutput TorchTrainer::train(const MtadGatSettings& settings, const TrainerOptions& given,
                                   const TrainingInput& input) {
  const TrainerOptions options = given.resolved();
  settings.validate();
  if (input.train.empty())
    throw input_error("there is no training window: fewer normal rows in one run than a window and its target");
  auto* team = dynamic_cast<TorchTeam*>(input.team);
  const World world = team == nullptr ? World{} : team->world();
  use_threads(options, world);
  const at::Device device = choose_device(device_for(world, options.device, gpus()));
  const KeptMemory memory;
  try {
    return TrainingSession(settings, options, input, {device, team, path_of(options)}).run();
  } catch (const TrainingStopped&) {  // before the first epoch
    TrainingOutput out;
    out.stopped = true;
    return out;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    translate(e, options);
  }
}

double TorchTrainer::measure_step(const MtadGatSettings& settings, const TrainerOptions& given, std::stop_token stop) {
  TrainerOptions options = given.resolved();
  use_threads(options, {});
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
      TensorBackend backend(parameters, settings.dropout, true, stop, path_of(options));
      const Losses l = mtad_gat_losses(backend, settings, x, y, options.aligned_target, kRootEpsilon);
      (l.forecast + l.reconstruction).backward();
      adam.step(1e-9);
      static_cast<void>(l.forecast.item<float>());  // waits for the device
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
std::string TorchTrainer::why_no_gpu() const { return anomctl::why_no_gpu(); }

}  // namespace anomctl

extern "C" anomctl::Trainer* anomctl_torch_module(int abi) {
  static anomctl::TorchTrainer trainer;
  return abi == anomctl::kTrainerAbi ? &trainer : nullptr;
}
