// A CSV file (or standard input) as rows of a bundle's columns: with or without header, with or without a time column.
// Thread rule: one thread an object.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/core/row.h"
#include "anomctl/data/csv.h"

namespace anomctl {

class SensorTable : public RowSource {
 public:
  // For standard input: `before` is called before a read that has to wait, and a stop ends the rows.
  struct Waiting {
    std::function<void()> before;
    std::stop_token stop;
  };
  // `path` "-" is standard input; `period_s` stamps rows that carry no time, the first one with 1970-01-01.
  // `before_wait` is called before a read that may have to wait for input. Throws Error(bad_input) for a header that
  // lacks columns.
  SensorTable(const fs::path& path, const std::vector<std::string>& columns, double period_s, Waiting waiting);

  const std::vector<std::string>& columns() const override { return columns_; }
  // Missing cells become NaN and are counted. Throws Error(bad_input) with file, line and column for text in place of a
  // number, a stamp that is none, and rows with more or fewer cells than the first.
  bool next(Row& row) override;
  bool has_times() const { return time_cell_ != npos; }
  std::int64_t missing_cells() const { return missing_; }
  std::int64_t empty_lines() const { return empty_; }

 private:
  void read_first();
  void map_header(const std::vector<std::string_view>& names);
  bool parse(const std::vector<std::string_view>& cells, Row& row);
  Nanoseconds parse_time(std::string_view cell) const;

  std::vector<std::string> columns_;
  Nanoseconds period_;
  CsvReader reader_;
  std::vector<std::string_view> cells_;
  std::size_t width_ = 0;            // cells a record
  std::vector<std::size_t> source_;  // cell of each column
  std::size_t time_cell_ = npos;
  bool first_is_data_ = false;  // the first record is a row, not yet given out
  std::int64_t rows_ = 0, missing_ = 0, empty_ = 0;
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
};

}  // namespace anomctl
