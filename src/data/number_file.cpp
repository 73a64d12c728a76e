#include "data/number_file.h"

#include <fmt/core.h>

#include <cmath>
#include <limits>

#include "anomctl/data/csv.h"

namespace anomctl {
namespace {

// The next record of a file without header; an empty line may only stand at the end.
bool next_record(CsvReader& reader, std::vector<std::string_view>& cells) {
  if (!reader.next(cells)) return false;
  if (!cells.empty()) return true;
  const Error hole = reader.error("the line is empty: every line is one row");
  while (reader.next(cells)) {
    if (!cells.empty()) throw Error(hole);
  }
  return false;
}

}  // namespace

// Its square, and the sums of many, are still numbers.
constexpr double kLargestReading = 1e100;

Matrix<double> read_number_file(const fs::path& path, std::size_t width) {
  CsvReader reader(path);
  std::vector<std::string_view> cells;
  std::vector<double> row;
  Matrix<double> out;
  while (next_record(reader, cells)) {
    if (width == 0) width = cells.size();
    if (cells.size() != width) {
      throw reader.error(fmt::format("{} values where {} are expected", cells.size(), width));
    }
    row.clear();
    for (std::size_t c = 0; c < width; ++c) {
      const auto value = parse_number(cells[c]);
      if (!value && !is_missing_cell(cells[c])) {
        throw reader.error(fmt::format("column {} holds {}: expected a number", c + 1, shown(cells[c])));
      }
      if (value && std::isfinite(*value) && std::fabs(*value) > kLargestReading)
        throw reader.error(
            fmt::format("column {} holds {}: no reading is beyond {:g}", c + 1, shown(cells[c]), kLargestReading));
      row.push_back(value && std::isfinite(*value) ? *value : std::numeric_limits<double>::quiet_NaN());
    }
    out.append_row(row);
  }
  if (out.empty()) throw input_error(fmt::format("{} holds no rows", path.string()));
  return out;
}

std::vector<std::uint8_t> read_label_file(const fs::path& path) {
  CsvReader reader(path);
  std::vector<std::string_view> cells;
  std::vector<std::uint8_t> out;
  while (next_record(reader, cells)) {
    const auto value = cells.size() == 1 ? parse_number(cells[0]) : std::nullopt;
    if (!value || (*value != 0 && *value != 1)) {
      throw reader.error(fmt::format("a label is 0 or 1, found {}", shown(cells[0])));
    }
    out.push_back(*value == 1 ? 1 : 0);
  }
  return out;
}

}  // namespace anomctl
