#include "anomctl/model/training.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <random>

#include "anomctl/core/error.h"
#include "anomctl/core/module_loader.h"
#include "anomctl/model/trainer_module.h"

namespace anomctl {

TrainerOptions TrainerOptions::resolved() const {
  TrainerOptions o = *this;
  if (compat == "reference") {
    o.aligned_target = o.best_epoch = o.split_by_time = false;
  } else if (!o.patience) {
    o.patience = 5;
  }
  return o;
}

std::vector<fs::path> libtorch_folders() {
  std::vector<fs::path> folders;
  if (const char* given = std::getenv("ANOMCTL_LIBTORCH"); given != nullptr && *given != '\0') {
    folders = {fs::path(given) / "lib", given};
    return folders;
  }
#ifdef ANOMCTL_LIBTORCH_DIR
  folders.emplace_back(fs::path(ANOMCTL_LIBTORCH_DIR) / "lib");
#endif
  const char* home = std::getenv("HOME");
  for (const fs::path& prefix :
       {fs::path("/usr/local"), fs::path("/usr"), fs::path(home == nullptr ? "/" : home) / ".local",
        fs::path(home == nullptr ? "/" : home) / ".cache/anomctl/prefix"}) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(prefix / "lib", ignored)) {
      if (!entry.path().filename().string().starts_with("python3")) continue;
      for (const char* packages : {"site-packages", "dist-packages"})
        folders.push_back(entry.path() / packages / "torch/lib");
    }
  }
  return folders;
}

#ifdef ANOMCTL_LINKED_TORCH
Trainer& load_trainer() { return *anomctl_torch_module(kTrainerAbi); }
#else
namespace {

// libtorch's threads wait for each other many times a step. By default they spin meanwhile, and where others use the cores
// too they spin away the time of the one they wait for: measured on 2 shared cores (AMD EPYC) with a load of 11 on
// 2026-11-25, SIGTERM was seen after 8 and 18 s, and after 1.8 s with this. Read when libgomp is loaded.
void wait_without_spinning() {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) ::setenv("GOMP_SPINCOUNT", "1000", 0);
}

}  // namespace

Trainer& load_trainer() {
  static Trainer* const trainer = [] {
    wait_without_spinning();
    ModuleRequest request;
    request.file_name = "libanomctl-torch.so";
    request.entry_symbol = "anomctl_torch_module";
    request.purpose = "training, and scoring on a GPU,";
    for (const fs::path& folder : libtorch_folders()) {
      std::error_code ignored;
      if (!fs::exists(folder / "libtorch_cpu.so", ignored)) continue;
      request.preload = {folder / "libc10.so", folder / "libtorch_cpu.so"};
      // The CUDA build registers its kernels when it is loaded; a CPU-only set of wheels lacks what it needs.
      if (fs::exists(folder / "libtorch_cuda.so") && fs::exists(folder / "../../nvidia/cudnn/lib", ignored)) {
        request.preload.push_back(folder / "libtorch_cuda.so");
      }
      break;
    }
    if (request.preload.empty()) {
      throw failed(
          "libtorch is not found: install the Python wheel torch (pip install torch) or set ANOMCTL_LIBTORCH to its "
          "folder; "
          "everything but train, and scoring on a GPU, works without it");
    }
    auto* entry = reinterpret_cast<Trainer* (*)(int)>(load_module(request));
    Trainer* loaded = entry(kTrainerAbi);
    if (loaded == nullptr)
      throw failed("libanomctl-torch.so belongs to another version of anomctl: install both from one package");
    return loaded;
  }();
  return *trainer;
}
#endif

std::vector<std::int64_t> window_starts(std::span<const std::pair<std::int64_t, std::int64_t>> runs,
                                        std::int64_t window, std::int64_t stride, std::span<const std::uint8_t> use) {
  std::vector<std::int64_t> starts;
  for (const auto& [first, last] : runs) {
    std::int64_t good = 0, wait = 0;  // usable rows that end here, windows to skip until the stride is full
    for (std::int64_t r = first; r <= last; ++r) {
      good = use.empty() || use[static_cast<std::size_t>(r)] != 0 ? good + 1 : 0;
      if (good == 0) wait = 0;
      if (good > window && wait-- == 0) {
        starts.push_back(r - window);
        wait = stride - 1;
      }
    }
  }
  return starts;
}

WindowSplit split_windows(const std::vector<std::int64_t>& starts, std::int64_t window, const TrainerOptions& given) {
  const TrainerOptions options = given.resolved();
  WindowSplit split;
  const auto n_val = static_cast<std::size_t>(options.val_split * static_cast<double>(starts.size()));
  if (options.split_by_time) {
    split.validation.assign(starts.end() - static_cast<std::ptrdiff_t>(n_val), starts.end());
    for (std::size_t i = 0; i + n_val < starts.size(); ++i) {
      if (n_val == 0 || starts[i] + window < split.validation.front()) split.train.push_back(starts[i]);
    }
    return split;
  }
  std::vector<std::int64_t> order = starts;
  if (options.shuffle) {
    std::mt19937_64 random(options.seed);
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  }
  split.validation.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n_val));
  split.train.assign(order.begin() + static_cast<std::ptrdiff_t>(n_val), order.end());
  for (auto* part : {&split.train, &split.validation}) std::sort(part->begin(), part->end());
  return split;
}

}  // namespace anomctl
