// The training loop on libtorch. Thread rule: one thread at a time.
#pragma once

#include "anomctl/model/training.h"

namespace anomctl {

class TorchTrainer : public Trainer {
 public:
  std::shared_ptr<Team> join(const World& world, Duration timeout, std::stop_token stop) override;
  TrainingOutput train(const MtadGatSettings& settings, const TrainerOptions& options,
                       const TrainingInput& input) override;
  double measure_step(const MtadGatSettings& settings, const TrainerOptions& options, std::stop_token stop) override;
  std::shared_ptr<const WindowModel> make_model(const MtadGatSettings& settings, const TensorMap& weights,
                                                const std::string& device) override;
  std::string version() const override;
  std::vector<std::string> devices() const override;
  std::string why_no_gpu() const override;
};

}  // namespace anomctl
