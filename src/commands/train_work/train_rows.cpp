#include "commands/train_work/train_rows.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "anomctl/core/error.h"

namespace anomctl {

TrainRows choose_train_rows(const DataSet& set) {
  const Part& part = set.train;
  TrainRows out;
  out.use.assign(part.values.rows(), 1);
  out.complete.assign(part.values.rows(), 1);
  for (std::size_t r = 0; r < part.values.rows(); ++r) {
    const auto row = part.values.row(r);
    if (part.labels[r] != 0) {
      out.use[r] = out.complete[r] = 0;
      ++out.anomalous;
    } else if (!std::all_of(row.begin(), row.end(), [](double v) { return std::isfinite(v); })) {
      out.complete[r] = 0;
      ++out.incomplete;
    }
  }
  if (out.anomalous == static_cast<std::int64_t>(part.values.rows())) {
    throw input_error(fmt::format("{} has no normal train row", set.folder.string()));
  }
  return out;
}

Part slice(const Part& part, std::int64_t first, std::int64_t last) {
  Part out;
  for (std::int64_t r = first; r <= last; ++r) {
    const auto at = static_cast<std::size_t>(r);
    out.values.append_row(part.values.row(at));
    out.labels.push_back(part.labels[at]);
    out.times.push_back(part.times[at]);
  }
  for (const RowRange& run : part.runs) {
    const RowRange cut{std::max(run.first, first) - first, std::min(run.last, last) - first};
    if (cut.first <= cut.last) out.runs.push_back(cut);
  }
  return out;
}

Matrix<float> scaled_rows(const Scaler& scaler, const Matrix<double>& rows) {
  Matrix<float> out(rows.rows(), rows.cols());
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    scaler.apply(rows.row(r), out.row(r));
    for (float& v : out.row(r)) {
      if (std::isnan(v)) v = 0;
    }
  }
  return out;
}

}  // namespace anomctl
