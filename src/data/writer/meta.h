// meta.json of a new data set. Thread rule: free functions.
#pragma once

#include <vector>

#include "anomctl/data/data_set_writer.h"
#include "data/writer/row_marks.h"

namespace anomctl {

// The stretches as rows of eval, which begins at row `split`; what of them lies in train is left out.
std::vector<Json> segments_of(const DataSetPlan& plan, const std::vector<Stretch>& stretches, std::int64_t split,
                              std::int64_t rows, ReadReport& report);
Json meta_json(const DataSetPlan& plan, const WrittenDataSet& written, const std::vector<TimedRun>& train_runs,
               const std::vector<TimedRun>& eval_runs, const std::vector<Json>& segments, const ReadReport& report);

}  // namespace anomctl
