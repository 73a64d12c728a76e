// Delimited tables of any make as a LabelledSource: one file, or several with the same columns, each of which starts a
// run. What is not told is guessed from the first lines and said in the report. Thread rule: one thread a reader.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/data/source.h"

namespace anomctl {

enum class BadCells { error, missing };  // text in a number column

struct TableSettings {
  std::vector<fs::path> files;       // in the order in which they are read
  std::optional<char> delimiter;     // guessed
  std::string time_column;           // guessed: by name, else the first column with stamps
  std::string label_column;          // guessed by name; "none" for none
  std::vector<std::string> columns;  // empty: every column with numbers
  std::vector<std::string> exclude;
  std::vector<std::string> never;  // left out unless named in `columns`, without a word
  BadCells bad_cells = BadCells::error;
  TimeZone zone;
  Nanoseconds period = kSecond;  // of rows without stamps
};

// The columns of a table, by their place in a line.
struct TableLayout {
  char delimiter = ',';
  bool has_header = true;
  bool decimal_comma = false;  // "1,5" is one and a half
  std::vector<std::string> header;
  std::optional<std::size_t> time, label;
  std::vector<std::size_t> data;   // in the order of the output
  std::vector<std::string> names;  // of `data`
  SourceShape shape;               // from the first lines
};

// Throws Error(bad_input) for an empty file, UsageError for an unknown column.
TableLayout guess_layout(const TableSettings& settings, ReadReport& report);

// Throws Error(bad_input) with file and line for ragged rows, a stamp that is none and text in a number column.
std::unique_ptr<LabelledSource> open_table(const TableSettings& settings, const TableLayout& layout,
                                           ReadReport& report);

// A file, or the files of a folder with one of these endings, in natural order (2.csv before 10.csv).
std::vector<fs::path> expand_files(const std::vector<fs::path>& paths, const std::vector<std::string>& endings);
// Names that labels go by: anomaly, label, is_anomaly, changepoint ...
bool looks_like_label(std::string_view name);

}  // namespace anomctl
