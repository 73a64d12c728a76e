// Which rows of a data set's train part are fitted on, and what is held out. Private to train.
#pragma once

#include <vector>

#include "anomctl/data/data_set.h"
#include "anomctl/data/scaler.h"

namespace anomctl {

struct TrainRows {
  std::vector<std::uint8_t> use;       // one a row: 0 where it is labelled anomalous
  std::vector<std::uint8_t> complete;  // the same, and 0 where a value is missing
  std::int64_t anomalous = 0, incomplete = 0;
};
// Throws Error(bad_input) when no row is left.
TrainRows choose_train_rows(const DataSet& set);

// Rows [first, last] of `part` as a part of their own.
Part slice(const Part& part, std::int64_t first, std::int64_t last);
// Scaled rows; a missing value becomes 0 (windows never touch such rows).
Matrix<float> scaled_rows(const Scaler& scaler, const Matrix<double>& rows);

}  // namespace anomctl
