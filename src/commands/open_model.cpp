#include "commands/open_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/model/training.h"

namespace anomctl {

namespace {

bool on_cpu(const std::string& device) { return device == "auto" || device == "cpu"; }

}  // namespace

void check_device(const std::string& device) {
  if (on_cpu(device)) return;
  const std::string wanted = device == "cuda" ? "cuda:0" : device;
  const std::string number = wanted.starts_with("cuda:") ? wanted.substr(5) : "";
  if (number.empty() || number.size() > 3 || number.find_first_not_of("0123456789") != std::string::npos)
    throw UsageError(fmt::format("--device '{}' is none of auto, cpu, cuda, cuda:N", device));
  const auto usable = load_trainer().devices();
  if (std::find(usable.begin(), usable.end(), wanted) == usable.end()) {
    throw UsageError(fmt::format("--device {}: {}; libtorch sees {}; use --device cpu or auto", device,
                                 load_trainer().why_no_gpu(), fmt::join(usable, ", ")));
  }
}

std::shared_ptr<const WindowModel> open_model(const Bundle& bundle, const std::string& device, int threads) {
  check_device(device);
  if (on_cpu(device) || !bundle.runs_network()) {
    const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    return open_window_model(bundle, threads > 0 ? threads : cores);
  }
  return load_trainer().make_model(bundle.settings, bundle.weights, device);
}

}  // namespace anomctl
