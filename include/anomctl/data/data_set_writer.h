// Makes a data set folder from a source of rows: labels them, sets idle rows aside, thins them out, splits them by time
// and writes the four files and meta.json. Memory grows by ten bytes a row, however many columns there are.
// Thread rule: one call, which formats and writes on a second thread.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/core/progress.h"
#include "anomctl/data/anomalies.h"
#include "anomctl/data/data_set.h"
#include "anomctl/data/source.h"

namespace anomctl {

struct DataSetPlan {
  fs::path folder;  // replaced as a whole when it is there; its name is not the data set's
  std::string name;
  std::vector<Column> columns;          // as the source's
  double period_s = 1;                  // of the source's rows
  std::vector<std::string> file_names;  // of a source with several files
  std::string source, derivation;       // for meta.json

  bool have_anomalies = false;     // labels come from `anomalies`, else from the source
  std::vector<Anomaly> anomalies;  // sorted by start
  // Train is what comes before the first anomaly, less `lead_rows` (at most a fifth) that warm eval up, where that is
  // `enough_rows` or a fifth of all; else, and wherever `eval_fraction` is given, eval is the last part by time.
  std::optional<double> eval_fraction;
  double default_eval_fraction = 0.3;
  std::int64_t lead_rows = 200, enough_rows = 1000;
  std::int64_t downsample = 1;  // of so many rows the first stays, counted from the start of each run
  std::string active_when;      // other rows are idle: never in train
  double settle_s = 0;          // rows so soon after an idle one are idle too
  std::vector<std::pair<std::string, Json>> extra;  // further keys of meta.json
};

struct WrittenDataSet {
  std::string name;
  fs::path folder;
  std::vector<std::string> columns;
  double period_s = 0;
  std::int64_t train_rows = 0, train_runs = 0, train_labelled = 0;
  std::int64_t eval_rows = 0, eval_runs = 0, eval_labelled = 0, segments = 0;
  std::int64_t idle_train_rows = 0, idle_eval_rows = 0;
  std::string split;                   // one sentence
  std::vector<std::string> sentences;  // what was dropped, filled, assumed
  Json to_json() const;
};

// Throws Error(bad_input) when no row is left, no anomaly lies within the data, or a part would be empty, and
// Error(failed) when the folder cannot be written, or `stop` came.
WrittenDataSet write_data_set(LabelledSource& source, const DataSetPlan& plan, ReadReport& report, Progress& progress,
                              std::stop_token stop = {});

}  // namespace anomctl
