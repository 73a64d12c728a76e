// InfluxDB v2 exports (annotated CSV, as the Data Explorer saves it) as a LabelledSource: every series of numbers is a
// column, named by its field, or field@tagvalue where tags differ. Series of a field that follow one another in time
// (the same sensor in another run) are one column, and a run starts at each. Points are kept in memory, 16 bytes each.
// Thread rule: one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/data/csv.h"
#include "anomctl/data/source.h"
#include "anomctl/data/table.h"

namespace anomctl {

struct InfluxSettings {
  std::vector<std::string> columns;  // fields or full names; empty: all
  std::vector<std::string> exclude;
  std::vector<std::string> tags;  // "key=value": only series with it
  std::string label_column;       // field; guessed by name; "none" for none
  BadCells bad_cells = BadCells::error;
  TimeZone zone;
};

struct InfluxSource {
  std::unique_ptr<LabelledSource> rows;  // at every stamp of any column; NaN where a column has no value there
  SourceShape shape;
};

// Throws Error(bad_input) with file and line for what is no annotated CSV, UsageError for unknown columns and tags.
InfluxSource open_influx(const fs::path& file, const InfluxSettings& settings, ReadReport& report);
InfluxSource open_influx(std::unique_ptr<ByteSource> bytes, const std::string& name, const InfluxSettings& settings,
                         ReadReport& report);

}  // namespace anomctl
