// A labelled data set on disk: <folder>/{train,train_labels,eval,eval_labels}.csv and an optional meta.json (contract,
// section 2). Thread rule: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/core/json.h"
#include "anomctl/core/matrix.h"
#include "anomctl/core/row.h"

namespace anomctl {

struct Column {
  std::string name;
  std::string unit;         // "bar", empty when not known
  std::string description;  // empty when not known
};

// A labelled anomaly of the eval part. `root_cause` is a column name, or words where the cause is none; `affected` are
// column names. Both are empty when not known.
struct Segment {
  RowRange rows;
  std::string root_cause;
  std::vector<std::string> affected;
};

struct Part {
  Matrix<double> values;             // (rows, columns), unscaled, NaN = missing
  std::vector<std::uint8_t> labels;  // 1 = anomalous, one a row
  std::vector<RowRange> runs;        // contiguous stretches: no window crosses a border; always covers all rows
  std::vector<Nanoseconds> times;    // one a row; where the folder knows none: epoch + row * period, eval after train
};

struct DataSet {
  std::string name;
  fs::path folder;
  std::vector<Column> columns;  // c0, c1, ... when meta.json names none
  double period_s = 1;
  bool period_known = false;  // else one row a second is assumed
  bool has_meta = false;      // without it eval is taken to follow train
  Part train, eval;
  std::vector<Segment> segments;  // of eval, from meta.json, else from the runs of 1 in eval_labels
  std::string active_when;        // expression over columns, empty: always active
  double settle_s = 0;
  Json meta;         // meta.json as read, null without it
  std::string hash;  // SHA-256 over the four files and meta.json
  std::vector<std::string> column_names() const;
};

// Throws Error(bad_input) with file and line for ragged rows, text, missing files, labels that are not 0 or 1.
DataSet load_data_set(const fs::path& folder);
// Finds <datasets_dir>/<name>; an empty name takes the only data set there, else the newest, and says so in the log.
fs::path find_data_set(const fs::path& datasets_dir, const std::string& name);

}  // namespace anomctl
