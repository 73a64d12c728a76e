// The golden series of scores and labels below test/golden/metrics. Thread rule: free functions.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/core/json.h"

namespace anomctl::test {

struct ScoreSeries {
  std::vector<double> scores;
  std::vector<std::uint8_t> labels;  // empty for train
};

inline fs::path metric_folder() { return fs::path(ANOMCTL_TEST_DIR) / "golden" / "metrics"; }

inline ScoreSeries read_scores(const std::string& file) {
  ScoreSeries series;
  std::istringstream lines(read_file(metric_folder() / file));
  std::string line;
  std::getline(lines, line);  // header
  while (std::getline(lines, line)) {
    series.scores.push_back(std::stod(line));
    const auto comma = line.find(',');
    if (comma != std::string::npos) series.labels.push_back(line[comma + 1] == '1');
  }
  return series;
}

inline Json metric_vectors() { return Json::parse(read_file(metric_folder() / "thresholds_metrics.json")); }

}  // namespace anomctl::test
