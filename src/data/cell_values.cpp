#include "data/cell_values.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "anomctl/data/csv.h"
#include "data/column_names.h"

namespace anomctl {

CellValue cell_value(std::string_view cell, bool decimal_comma) {
  using Kind = CellValue::Kind;
  if (const auto number = parse_number(cell)) {
    return std::isfinite(*number) ? CellValue{Kind::number, *number} : CellValue{};
  }
  if (is_missing_cell(cell)) return {};
  if (decimal_comma) {
    std::string dotted(cell);
    std::replace(dotted.begin(), dotted.end(), ',', '.');
    if (const auto number = parse_number(dotted)) return {Kind::number, *number};
  }
  const std::string word = plain_name(cell);
  if (word == "true") return {Kind::number, 1};
  if (word == "false") return {Kind::number, 0};
  return {Kind::text, 0};
}

std::optional<bool> label_value(std::string_view cell) {
  if (const auto number = parse_number(cell)) return std::isfinite(*number) && *number != 0;
  if (is_missing_cell(cell)) return false;
  static constexpr std::array normal = {"false", "no", "normal", "nominal", "ok"};
  static constexpr std::array anomalous = {"true",  "yes",    "anomaly", "anomalous", "attack",
                                           "fault", "faulty", "outlier", "abnormal"};
  const std::string word = plain_name(cell);
  const auto is_word = [&](const char* w) { return word == w; };
  if (std::any_of(normal.begin(), normal.end(), is_word)) return false;
  if (std::any_of(anomalous.begin(), anomalous.end(), is_word)) return true;
  return std::nullopt;
}

}  // namespace anomctl
