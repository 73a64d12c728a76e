// Rows to send or to judge, by what the user named: a part of a data set, or a table. Read as a stream: nothing is
// loaded. Thread rule: free functions.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/core/row.h"

namespace anomctl {

struct RowInput {
  std::vector<std::string> columns;
  bool has_times = false;  // the rows' stamps are those of the data; else they count from 1970
  double period_s = 1;
  std::function<std::unique_ptr<RowSource>()> open;  // from the first row on
};

// `split` is train or eval. Rows that begin another run come at least a minute's worth of rows later than those before.
RowInput rows_of_data_set(const fs::path& folder, const std::string& split);
// Columns from the header, without the time column; without header c0, c1 .. `path` "-" is standard input, once.
RowInput rows_of_table(const fs::path& path, const std::vector<std::string>& columns, std::stop_token stop);

}  // namespace anomctl
