// Figures as sentences, for the terminal and the report. Thread rule: pure functions.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/json.h"

namespace anomctl {

struct PlainWords {
  std::string headline;                // "Found 5 of 6 events, with 2 false alarms"
  std::vector<std::string> sentences;  // what the figures mean, with what speaks against them
};
// `figures` as evaluation.h makes them.
// `period_known`: whether the data set says how far its rows are apart, else a second is assumed, and that is said.
PlainWords in_plain_words(const Json& figures, bool period_known = true);

// 45 -> "45 s", 5400 -> "1.5 hours".
std::string spoken_duration(double seconds);

}  // namespace anomctl
