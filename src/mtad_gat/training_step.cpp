#include "mtad_gat/training_step.h"

#include <ATen/core/grad_mode.h>

namespace anomctl {
namespace {

// (2) in double, apart from the graph.
at::Tensor values(const at::Tensor& forecast, const at::Tensor& reconstruction) {
  return at::stack({forecast.detach(), reconstruction.detach()}).to(at::kDouble);
}

}  // namespace

at::Tensor TrainingStep::losses(const at::Tensor& starts) const {
  const at::NoGradGuard no_gradient;
  return p_.team == nullptr ? alone(starts, nullptr) : together(starts, nullptr);
}

at::Tensor TrainingStep::gradients(const at::Tensor& starts, const std::function<void(const at::Tensor&)>& good) const {
  return p_.team == nullptr ? alone(starts, &good) : together(starts, &good);
}

bool TrainingStep::finishes(const std::function<void()>& work) const {
  try {
    work();
    return true;
  } catch (const std::exception&) {  // TrainingStopped, or what libtorch makes of it
    if (!p_.stop.stop_requested()) throw;
    return false;
  }
}

at::Tensor TrainingStep::alone(const at::Tensor& starts, const std::function<void(const at::Tensor&)>* good) const {
  const bool train = good != nullptr;
  const auto [x, y] = p_.windows.batch(starts);
  TensorBackend backend(p_.parameters, train ? p_.settings.dropout : 0, train, p_.stop, p_.path);
  const Losses l = mtad_gat_losses(backend, p_.settings, x, y, p_.aligned, p_.epsilon);
  at::Tensor found = values(l.forecast, l.reconstruction);
  if (train) {
    (*good)(found);
    (l.forecast + l.reconstruction).backward();
  }
  return found;
}

at::Tensor TrainingStep::together(const at::Tensor& starts, const std::function<void(const at::Tensor&)>* good) const {
  const bool train = good != nullptr;
  const std::int64_t n = starts.size(0), size = p_.team->world().size, rank = p_.team->world().rank;
  const std::int64_t from = n * rank / size, count = n * (rank + 1) / size - from;  // 0: a last batch that is too small
  const double share = static_cast<double>(count) / static_cast<double>(n);
  Losses squared;
  at::Tensor sums = at::zeros({2}, starts.options().dtype(at::kDouble));
  bool goes_on = finishes([&] {
    if (count == 0) return;
    const auto [x, y] = p_.windows.batch(starts.narrow(0, from, count));
    TensorBackend backend(p_.parameters, train ? p_.settings.dropout : 0, train, p_.stop, p_.path);
    squared = mtad_gat_squared_errors(backend, p_.settings, x, y, p_.aligned);
    sums = values(squared.forecast, squared.reconstruction) * share;
  });
  if (p_.team->sum({sums}, !goes_on)) throw TrainingStopped();
  at::Tensor found = at::sqrt(sums + p_.epsilon);
  if (!train) return found;
  (*good)(found);
  goes_on = finishes([&] {
    if (count == 0) return;
    // d sqrt(S) = dS / (2 sqrt(S)), and S is the sum of what the processes hold.
    const at::Tensor weight = (share / (2 * found)).to(at::kFloat);
    (squared.forecast * weight[0] + squared.reconstruction * weight[1]).backward();
  });
  std::vector<at::Tensor> all;
  for (const auto& [name, p] : p_.parameters) {
    at::Tensor& gradient = p.mutable_grad();
    if (!gradient.defined()) gradient = at::zeros_like(p);
    all.push_back(gradient);
  }
  if (p_.team->sum(all, !goes_on)) throw TrainingStopped();
  return found;
}

}  // namespace anomctl
