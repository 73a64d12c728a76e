// drill.html: the blind spots as a table of colours and words, one file without outside references. Thread rule: a pure
// function.
#pragma once

#include <string>
#include <vector>

#include "anomctl/detection/blind_spots.h"

namespace anomctl {

// A fault counts as found where an alert followed in four places of five.
inline constexpr double kFoundShare = 0.8;
bool is_found(const DrillCase& c);

struct DrillPage {
  const Bundle& bundle;
  const Drill& drill;
  const std::vector<std::string>& sentences;
  std::string data_set, part;
};
std::string drill_html(const DrillPage& page);

}  // namespace anomctl
