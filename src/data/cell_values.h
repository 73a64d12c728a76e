// What a cell of a foreign table means. Thread rule: pure functions.
#pragma once

#include <optional>
#include <string_view>

namespace anomctl {

struct CellValue {
  enum class Kind { number, missing, text } kind = Kind::missing;
  double number = 0;  // finite
};
// A number, true or false as 1 and 0, nothing (also nan and infinities), or text.
CellValue cell_value(std::string_view cell, bool decimal_comma = false);
// A label: a number (0 is normal, any other anomalous), empty (normal), or one of the usual words in any case.
std::optional<bool> label_value(std::string_view cell);

}  // namespace anomctl
