// report.html of an evaluation: one file without outside references. Thread rule: a pure function.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/data/data_set.h"
#include "anomctl/detection/bundle.h"
#include "commands/evaluate/comparison.h"
#include "commands/evaluate/evaluation.h"
#include "commands/evaluate/plain_words.h"

namespace anomctl {

struct ReportInput {
  const Bundle& bundle;
  const DataSet& set;
  const Judgement& judgement;
  const Json& figures;
  const PlainWords& words;
  const std::vector<ComparedDetector>& comparison;  // may be empty
  std::string method;                               // of the limit
  double threshold = 0;
  std::string run_name;  // empty without a run
  Nanoseconds made = 0;  // when
};

// Series are thinned to the least and largest value of at most a few thousand stretches, so that the file stays under
// 3 MB whatever the data set's size.
std::string report_html(const ReportInput& input);

}  // namespace anomctl
