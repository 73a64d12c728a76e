// Whether the sensors that a found episode names are those that the data set knows to be at fault, beside what a z-score
// and PCA would have named at the same row (HitRate@k of Su et al., KDD 2019, an event each). Thread rule: pure
// functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/data/data_set.h"
#include "anomctl/model/cheap_detectors.h"
#include "commands/evaluate/evaluation.h"

namespace anomctl {

struct CauseHits {
  std::string by;                           // this bundle, z-score, PCA Q
  std::int64_t events = 0;                  // that were found and whose cause is a sensor
  std::int64_t first = 0, among_three = 0;  // the strongest sensor is a cause; one of the three strongest is
};

// This bundle first, then what `cheap` blames, if it is given. Empty where no found event has a sensor as its known cause: the root cause, or where that is no
// sensor one of the affected.
std::vector<CauseHits> cause_hits(const Judgement& judged, const DataSet& set, const CheapDetectors* cheap);
Json to_json(const std::vector<CauseHits>& hits);
// "Of 11 found events whose cause is known, the strongest sensor is the cause of 10, ..."; empty for none.
std::string causes_in_words(const std::vector<CauseHits>& hits);

}  // namespace anomctl
