// Rows on their way into a data set: where they stand, what they are labelled, where runs begin, and what was dropped,
// filled or assumed on the way. Thread rule: one thread a chain of sources with its report.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/core/row.h"

namespace anomctl {

// Something that happened many times: how often, and where first ("file:line").
struct Tally {
  std::int64_t count = 0;
  std::string first;
  void add(const std::string& where, std::int64_t n = 1) {
    if (count == 0) first = where;
    count += n;
  }
};

// Never silence: every policy that touched a row is counted here and told at the end.
struct ReadReport {
  std::int64_t rows_read = 0;
  Tally duplicate_stamps;  // the first row of a stamp stays, later ones are dropped
  Tally backward_stamps;   // dropped
  Tally repeated_hour;  // stamps of the hour that autumn repeats: the earlier instant, or the later when that is past
  Tally skipped_hour;   // stamps that spring leaves out: the moment of the jump
  Tally missing_cells;  // empty, nan, not finite
  Tally text_cells;     // text in a number column, taken as missing (--bad-cells missing)
  Tally dropped_rows;   // with a cell that could not be filled
  std::int64_t filled_cells = 0;
  std::int64_t gaps = 0;                        // where a pause ends a run
  std::vector<std::int64_t> dropped_by_column;  // rows dropped for want of this column
  std::vector<std::string> notes;               // sentences, in the order in which they came up

  // Sentences for people, none for what did not happen.
  std::vector<std::string> sentences(const std::vector<std::string>& columns) const;
  Json to_json() const;
};

class LabelledSource : public RowSource {
 public:
  // Of the row given last:
  virtual bool label() const { return false; }            // as the source itself labels it
  virtual bool starts_run() const = 0;                    // it does not follow the row before
  virtual std::int64_t file_number() const { return 0; }  // of several files, from 0
  virtual std::string where() const = 0;                  // "file:line"
};

// What a look at the start of a source tells.
struct SourceShape {
  Nanoseconds period = 0;                  // median step between stamps; 0 when there is no second row
  std::vector<Nanoseconds> column_period;  // median step between values of a column; 0 when not known
};
// The median of positive steps; 0 when there is none. Reorders `steps`.
Nanoseconds median_step(std::vector<Nanoseconds>& steps);

}  // namespace anomctl
