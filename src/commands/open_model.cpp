#include "commands/open_model.h"

#include <algorithm>
#include <thread>

#include "anomctl/model/training.h"

namespace anomctl {

std::shared_ptr<const WindowModel> open_model(const Bundle& bundle, const std::string& device) {
  const bool on_cpu = device == "auto" || device == "cpu" || !bundle.runs_network();
  if (on_cpu) return open_window_model(bundle, static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
  return load_trainer().make_model(bundle.settings, bundle.weights, device);
}

}  // namespace anomctl
