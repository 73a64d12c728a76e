// Rows in order of time and without holes: drops stamps that repeat or go back, fills missing values, puts rows onto a
// common grid where a period is asked for, and ends a run at every gap. What it does is counted in the report.
// Thread rule: one thread.
#pragma once

#include <memory>
#include <vector>

#include "anomctl/data/source.h"

namespace anomctl {

// hold: the last value; interpolate: on the line between the values before and after; drop: the row goes.
enum class Fill { hold, interpolate, drop };

struct RegularSettings {
  Nanoseconds period = 0;      // of the grid; 0: rows stay at their own stamps
  Nanoseconds step = kSecond;  // the usual distance of rows, for gaps and for naming a row's neighbours
  Fill fill = Fill::hold;
  Nanoseconds gap = 5 * kSecond;        // a longer pause between rows ends the run
  std::vector<Nanoseconds> column_gap;  // a value is not filled over a longer time, one a column
};

// `input` gives NaN for what is missing. Throws Error(bad_input) when more than a tenth of all rows would be dropped
// for their stamps.
std::unique_ptr<LabelledSource> make_regular(std::unique_ptr<LabelledSource> input, const RegularSettings& settings,
                                             ReadReport& report);

}  // namespace anomctl
