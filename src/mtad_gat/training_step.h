// One batch: its losses, and the gradients of their sum. Among processes that train together each computes its share of the
// batch; squared errors are added up before the root, so that losses and gradients are those of the whole batch in one
// process. Thread rule: one thread.
#pragma once

#include "anomctl/model/training.h"
#include "mtad_gat/losses.h"
#include "mtad_gat/series_windows.h"
#include "mtad_gat/team.h"

namespace anomctl {

struct StepParts {
  const MtadGatSettings& settings;
  const Parameters& parameters;
  const SeriesWindows& windows;
  bool aligned = true;
  double epsilon = 0;         // below the roots
  TorchTeam* team = nullptr;  // null: this process alone
  std::stop_token stop;
  TensorPath path;
};

class TrainingStep {
 public:
  explicit TrainingStep(StepParts parts) : p_(std::move(parts)) {}
  // Losses (forecast, reconstruction) of the windows at `starts` in double on the device, (2), without gradients. Throws
  // TrainingStopped when any process was told to stop.
  at::Tensor losses(const at::Tensor& starts) const;
  // The same with dropout; `good` is asked about the losses before the way back, which leaves gradients at the parameters.
  at::Tensor gradients(const at::Tensor& starts, const std::function<void(const at::Tensor&)>& good) const;

 private:
  at::Tensor alone(const at::Tensor& starts, const std::function<void(const at::Tensor&)>* good) const;
  at::Tensor together(const at::Tensor& starts, const std::function<void(const at::Tensor&)>* good) const;
  // Runs the work; false where it was stopped on its way, which the others are to hear first.
  bool finishes(const std::function<void()>& work) const;

  StepParts p_;
};

}  // namespace anomctl
