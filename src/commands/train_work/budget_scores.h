// Scores of normal train rows as a stranger to the fit sees them, for the budget's calibration. Private to train.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/data/data_set.h"
#include "anomctl/detection/bundle.h"

namespace anomctl {

struct StrangerScores {
  std::vector<double> scores;  // in the order of time, not finite where there is none
  std::string source;          // in words
};
struct StrangerParts {
  std::shared_ptr<const Bundle> bundle;  // fitted
  const Part& train;
  const std::vector<std::uint8_t>& use;  // one a row: 0 where it is labelled anomalous
  double held_share = 0.1;               // last rows that MTAD-GAT was not fitted to
  std::stop_token stop;
};
// The panel is fitted anew without each of five contiguous blocks, and a gap around it, and judges that block. Networks
// are not trained again: where one speaks, only the last rows are judged, which it has not seen. Blocks whose rest is too
// small for a fit are left out.
StrangerScores stranger_scores(const StrangerParts& parts);

}  // namespace anomctl
