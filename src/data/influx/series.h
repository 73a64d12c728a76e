// The series of an InfluxDB export. Thread rule: values.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "anomctl/data/csv.h"
#include "anomctl/data/influx.h"

namespace anomctl {

struct InfluxSeries {
  std::string field;
  std::map<std::string, std::string> tags;  // with _measurement and result
  std::vector<Nanoseconds> times;
  std::vector<double> values;
  std::int64_t texts = 0;  // points that hold no number
  std::string example;     // of them
};

// All series of the file, in the order in which they come. Stamps of a series ascend and are unique.
std::vector<InfluxSeries> read_series(CsvReader& reader, const InfluxSettings& settings, ReadReport& report);

struct InfluxColumn {
  std::string name, field;
  std::vector<Nanoseconds> times;
  std::vector<double> values;
};
struct InfluxColumns {
  std::vector<InfluxColumn> data;
  std::vector<InfluxColumn> label;      // none or one
  std::vector<Nanoseconds> run_starts;  // ascending: where series of one column follow one another
};
InfluxColumns name_columns(std::vector<InfluxSeries> series, const InfluxSettings& settings, const std::string& file,
                           ReadReport& report);

}  // namespace anomctl
