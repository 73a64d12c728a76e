// `anomctl retrain`: gathers readings, trains a challenger, judges it and the champion on the same held-out rows, and
// promotes it where it is no worse by a stated test.
#pragma once

#include <string>

#include "anomctl/detection/challenge.h"
#include "anomctl/registry/model_registry.h"
#include "commands/command.h"

namespace anomctl {

struct RetrainOptions {
  std::string model;
  std::string alias = kChampion;
  bool promote = true;
  ChallengeSettings test;

  static void fields(auto& self, auto&& field) {
    field("model", self.model, "registered model whose champion is challenged", Required{});
    field("alias", self.alias, "alias of the version in use, which moves to the challenger when that is no worse");
    field("promote", self.promote, "move the alias where the test is passed; else only say so");
    field("margin", self.test.margin, "PR-AUC that the challenger may lose on the held-out rows, at most",
          Between{0, 1});
    field("alarm_margin", self.test.alarm_margin, "share of normal rows that the challenger may flag more, at most",
          Between{0, 1});
    field("recall_margin", self.test.recall_margin,
          "share of anomalous rows that the challenger may flag less, at most", Between{0, 1});
    field("confidence", self.test.confidence, "of both bounds, one-sided", Between{0.5, 0.999});
    field("blocks", self.test.blocks, "contiguous blocks of held-out rows that are drawn anew", Between{5, 1000});
    field("draws", self.test.draws, "times that they are drawn", Between{50, 100'000});
  }
};

CommandSpec retrain_command();

}  // namespace anomctl
