// Labelled anomalies as intervals of time, both ends in: CATS' metadata.csv, an anomalies CSV. Thread rule: values.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/core/json.h"
#include "anomctl/core/time.h"
#include "anomctl/data/source.h"

namespace anomctl {

struct Anomaly {
  Nanoseconds start = 0, end = 0;  // both in
  std::string root_cause;
  std::vector<std::string> affected;
  Json category;      // a number or text, null when not known
  std::string where;  // "file:line"
};

// A CSV with columns start_time and end_time (also start, begin, end, stop), in any order, and optionally root_cause,
// affected (a list as Python writes it, or names) and category; without a header line the first two columns. Sorted by
// start. Stamps without zone are read in `zone`: of a repeated hour the interval takes in both instants. Throws
// Error(bad_input) with file and line for an interval that ends before it starts and stamps that are none.
std::vector<Anomaly> read_anomalies(const fs::path& file, const TimeZone& zone, ReadReport& report);
// "['bso3', \"x\"]", "bso3", "a;b" -> names.
std::vector<std::string> parse_name_list(std::string_view text);

}  // namespace anomctl
