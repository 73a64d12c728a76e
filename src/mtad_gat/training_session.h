// One training from its first epoch, or its checkpoint, to its last. Thread rule: one thread.
#pragma once

#include <memory>
#include <string>

#include "mtad_gat/adam.h"
#include "mtad_gat/checkpoint.h"
#include "mtad_gat/series_windows.h"
#include "mtad_gat/team.h"
#include "mtad_gat/training_step.h"

namespace anomctl {

inline constexpr double kRootEpsilon = 1e-12;  // below the roots of the losses; the reference has none

struct TrainingPlace {
  at::Device device = at::kCPU;
  TorchTeam* team = nullptr;  // the processes that train together, null for this one alone
  TensorPath path;
};

class TrainingSession {
 public:
  // All arguments, and the team, must outlive the session.
  TrainingSession(const MtadGatSettings& settings, const TrainerOptions& options, const TrainingInput& input,
                  const TrainingPlace& place);
  TrainingOutput run();

 private:
  bool leads() const { return team_ == nullptr || team_->world().leads(); }
  std::int64_t processes() const { return team_ == nullptr ? 1 : team_->world().size; }
  // Compares what the processes are about to do, and takes rank 0's state.
  void meet_team();
  // Throws when the stop token came: the epoch does not count.
  void one_epoch(std::int64_t epoch, EpochLosses& losses);
  void validate(EpochLosses& losses) const;
  // Remembers the epoch; the best one's weights, or the last one's.
  void keep(const EpochLosses& losses);
  [[noreturn]] void not_finite(std::int64_t epoch) const;
  std::string fingerprint() const;

  const MtadGatSettings& s_;
  const TrainerOptions& o_;
  const TrainingInput& input_;
  at::Device device_;
  TorchTeam* team_;
  SeriesWindows windows_;
  Parameters parameters_;
  std::unique_ptr<Adam> adam_;
  std::unique_ptr<TrainingStep> step_;
  Checkpoint checkpoint_;
};

}  // namespace anomctl
