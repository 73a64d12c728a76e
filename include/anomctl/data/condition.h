// When a machine is at work, as an expression over columns: "rpm > 100 and not (valve <= 2 or mode == 3)".
//   condition  = term { ("or" | "||") term }      term = factor { ("and" | "&&") factor }
//   factor     = ("not" | "!") factor | "(" condition ")" | side compare side
//   compare    = < <= > >= == = !=                side = number | column
// A column name with blanks or signs is put in quotes or backticks. A comparison with a missing value does not hold.
// Thread rule: constant once made.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace anomctl {

class Condition {
 public:
  // Throws UsageError that names the place and, for an unknown column, the nearest one. Empty text always holds.
  static Condition parse(const std::string& text, const std::vector<std::string>& columns);
  // `row[c]` is the value of column c; NaN is missing.
  bool holds(std::span<const double> row) const;
  bool always() const { return steps_.empty(); }
  const std::string& text() const { return text_; }

 private:
  friend class ConditionParser;
  enum class Op : std::uint8_t {
    less,
    less_equal,
    greater,
    greater_equal,
    equal,
    unequal,
    logical_and,
    logical_or,
    logical_not
  };
  struct Side {
    bool is_column = false;
    std::size_t column = 0;
    double number = 0;
    double value(std::span<const double> row) const { return is_column ? row[column] : number; }
  };
  // In postfix order: a comparison pushes its result, the others take theirs from the stack.
  struct Step {
    Op op = Op::less;
    Side left, right;
  };
  std::string text_;
  std::vector<Step> steps_;
  std::size_t depth_ = 0;  // of the stack
};

}  // namespace anomctl
