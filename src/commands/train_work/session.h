// One training: what it was asked for, what it reads and what it has made so far. Private to train. Thread rule: one thread.
#pragma once

#include <algorithm>
#include <memory>
#include <thread>

#include "anomctl/core/progress.h"
#include "anomctl/data/data_set.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/registry/run_store.h"
#include "commands/train.h"
#include "commands/train_work/train_rows.h"

namespace anomctl {

struct TrainSession {
  const TrainOptions& options;
  Progress& progress;
  std::stop_token stop;
  World world;
  std::shared_ptr<Team> team;  // null where this process trains alone
  DataSet set;
  TrainRows rows;
  std::unique_ptr<Run> run;
  std::shared_ptr<Bundle> bundle = std::make_shared<Bundle>();
  TrainedRun result;

  bool reference() const { return options.trainer.compat == "reference"; }
  bool with_network() const { return options.kind != "panel"; }
  bool with_panel() const { return options.kind != "mtad-gat" && !reference(); }
};

inline int all_threads() { return static_cast<int>(std::max(1U, std::thread::hardware_concurrency())); }

}  // namespace anomctl
