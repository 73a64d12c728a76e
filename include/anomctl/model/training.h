// Training of MTAD-GAT. The work is done by libtorch behind `load_trainer`, a module that is loaded on first use; this
// header is all that the rest of the program sees of it. Thread rule: one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"
#include "anomctl/core/matrix.h"
#include "anomctl/model/mtad_gat_settings.h"
#include "anomctl/model/tensors.h"
#include "anomctl/model/window_model.h"
#include "anomctl/model/world.h"

namespace anomctl {

struct TrainerOptions {
  std::int64_t epochs = 30;
  std::int64_t stride = 1;
  std::int64_t batch_size = 256;
  double val_split = 0.1;
  double init_lr = 1e-3;
  std::int64_t step_lr = 10;
  double gamma_lr = 0.9;
  std::optional<std::int64_t>
      patience;  // epochs without a better validation loss; not given: 5, and none with compat reference
  std::string compat = "default";
  bool aligned_target = true;  // the reconstruction is compared with the window that it reconstructs
  bool best_epoch = true;      // keep the weights of the best validation loss, not of the last epoch
  bool split_by_time = true;   // validation windows are the last ones and share no row with training windows
  bool shuffle = true;         // order of the training windows
  std::uint64_t seed = 0;
  std::int64_t threads = 0;  // 0: all cores
  std::string device = "auto";
  std::int64_t attention_memory = 512;
  Duration worker_timeout = seconds(600);

  static void fields(auto& self, auto&& field) {
    field("epochs", self.epochs, "most passes over the training windows", Between{1, 100'000});
    field("stride", self.stride, "rows between the starts of two training windows", Between{1, 100'000});
    field("batch_size", self.batch_size, "windows a step (under torchrun: of each process)", Between{1, 100'000},
          Alias{"bs"});
    field("val_split", self.val_split, "share of the windows that validates", Between{0, 0.9});
    field("init_lr", self.init_lr, "first learning rate", Between{1e-9, 10});
    field("step_lr", self.step_lr, "epochs between two reductions of the learning rate", Between{1, 100'000});
    field("gamma_lr", self.gamma_lr, "factor of such a reduction", Between{0.001, 1});
    field("patience", self.patience,
          "epochs without a better validation loss before training stops (default 5; reference: never)",
          Between{1, 100'000});
    field("compat", self.compat, "reference: train exactly as the Python reference does, faults included",
          OneOf{{"default", "reference"}});
    field("aligned_target", self.aligned_target,
          "compare the reconstruction with the window it reconstructs (reference: one row off)");
    field("best_epoch", self.best_epoch, "keep the best epoch (reference: the last)");
    field("split_by_time", self.split_by_time,
          "validate on the last windows, a gap before them (reference: random windows)");
    field("shuffle", self.shuffle, "mix the training windows each epoch");
    field("seed", self.seed, "a CPU run with the same seed and thread count repeats bit for bit");
    field("threads", self.threads,
          "CPU threads, 0: all cores; where others use the cores too, as many as are free: several that wait for each "
          "other "
          "on busy cores are slower than one",
          Between{0, 1024});
    field("device", self.device, "auto, cpu, cuda or cuda:N; under torchrun cuda is the GPU of the process's place");
    field("attention_memory", self.attention_memory,
          "MiB that intermediates of the attention may take on a GPU: less takes longer", Between{1, 1'000'000});
    field("worker_timeout", self.worker_timeout,
          "under torchrun: how long a process waits for the others before it gives up");
  }
  // The reference's behaviour for each switch that compat "reference" sets.
  TrainerOptions resolved() const;
};

struct EpochLosses {
  std::int64_t epoch = 0;  // from 1
  double train_forecast = 0, train_reconstruction = 0, train_total = 0;
  double val_forecast = 0, val_reconstruction = 0, val_total = 0;  // NaN without validation windows
  double learning_rate = 0, seconds = 0;
};

// Processes that train together; what it is belongs to the trainer.
class Team {
 public:
  virtual ~Team() = default;
};

// Scaled rows and the windows over them. A window is named by its first row: rows first .. first + w are used (the last
// one is the target).
struct TrainingInput {
  const Matrix<float>* rows = nullptr;          // (n, k)
  std::vector<std::int64_t> train, validation;  // in time order
  const TensorMap* initial_weights = nullptr;   // null: drawn from the seed
  std::vector<std::string> columns;             // for messages
  fs::path checkpoint;                          // written each epoch, and gone on from when `resume`; empty: none
  bool resume = false;
  std::string version;  // of the program, compared among processes that train together
  Team* team =
      nullptr;  // from `join`: each process trains on its share of every batch; rank 0 alone writes and resumes
  std::function<void(const EpochLosses&)> on_epoch;
  std::function<void(std::int64_t windows_done, std::int64_t windows_total)> on_progress;
  std::stop_token stop;
};

struct TrainingOutput {
  TensorMap weights;
  std::vector<EpochLosses> epochs;
  std::int64_t best_epoch = 0;
  double windows_per_second = 0;
  std::string device;
  bool stopped = false;  // by the stop token, of any process of the team
};

class Trainer {
 public:
  virtual ~Trainer() = default;
  // Meets the other processes of `world`, which has several. Throws Error(unreachable) where they cannot be met within the
  // timeout. Losing one later is Error(unreachable) from train.
  virtual std::shared_ptr<Team> join(const World& world, Duration timeout, std::stop_token stop) = 0;
  // Throws Error(failed): loss not finite (names the column with the widest values; the last good epoch stays in the
  // checkpoint), out of memory, no such device. Throws UsageError for settings that do not fit.
  virtual TrainingOutput train(const MtadGatSettings& settings, const TrainerOptions& options,
                               const TrainingInput& input) = 0;
  // Seconds of one step with these settings, from a few steps on random data; 0 where it was stopped.
  virtual double measure_step(const MtadGatSettings& settings, const TrainerOptions& options,
                              std::stop_token stop = {}) = 0;
  // The network on libtorch, for --device cuda.
  virtual std::shared_ptr<const WindowModel> make_model(const MtadGatSettings& settings, const TensorMap& weights,
                                                        const std::string& device) = 0;
  // "2.11.0", and the devices that can be used.
  virtual std::string version() const = 0;
  virtual std::vector<std::string> devices() const = 0;
  // Why a GPU is not among them, in words.
  virtual std::string why_no_gpu() const = 0;
};

// Where libtorch is looked for, in this order: $ANOMCTL_LIBTORCH alone when it is set, else where it was at build time,
// else the `torch` wheels in the usual places.
std::vector<fs::path> libtorch_folders();
// Loads libanomctl-torch.so (once). Throws Error(failed) saying what is missing and how to get it.
Trainer& load_trainer();

// Start rows of all windows of w rows and a target row inside the runs, `stride` apart, that touch no row with use[r]
// == 0.
std::vector<std::int64_t> window_starts(std::span<const std::pair<std::int64_t, std::int64_t>> runs,
                                        std::int64_t window, std::int64_t stride, std::span<const std::uint8_t> use);
struct WindowSplit {
  std::vector<std::int64_t> train, validation;
};
// By time: the last val_split of the windows validate, training windows that share a row with them are left out. Else
// as the reference: a random share, or without shuffle the first.
WindowSplit split_windows(const std::vector<std::int64_t>& starts, std::int64_t window, const TrainerOptions& options);

}  // namespace anomctl
