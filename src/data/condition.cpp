#include "anomctl/data/condition.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "anomctl/core/error.h"
#include "data/column_names.h"

namespace anomctl {
namespace {

constexpr std::size_t kMaxDepth = 60;  // results fit the bits of one word

bool name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 128;
}
bool name_char(char c) {
  return name_start(c) || (c >= '0' && c <= '9') || c == '.' || c == '@' || c == ':' || c == '/' || c == '-';
}

}  // namespace

class ConditionParser {
 public:
  ConditionParser(const std::string& text, const std::vector<std::string>& columns) : text_(text), columns_(columns) {
    out_.text_ = text;
  }

  Condition parse() {
    skip_blanks();
    if (at_ == text_.size()) return out_;
    condition(0);
    if (at_ != text_.size()) fail("expected 'and', 'or' or the end");
    return std::move(out_);
  }

 private:
  using Op = Condition::Op;

  [[noreturn]] void fail(const std::string& what) const {
    throw UsageError(fmt::format("condition '{}': {} at '{}'", text_, what,
                                 at_ == text_.size() ? "the end" : text_.substr(at_, 20)));
  }
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool take(std::string_view token) {
    if (text_.compare(at_, token.size(), token) != 0) return false;
    const bool word = name_start(token.front());
    const std::size_t after = at_ + token.size();
    if (word && after < text_.size() && name_char(text_[after])) return false;
    at_ = after;
    skip_blanks();
    return true;
  }
  void push(Op op, Condition::Side left = {}, Condition::Side right = {}) {
    const bool comparison = op < Op::logical_and;
    if (comparison) depth_ += 1;
    if (op == Op::logical_and || op == Op::logical_or) depth_ -= 1;
    out_.depth_ = std::max(out_.depth_, depth_);
    if (out_.depth_ > kMaxDepth) fail("too many open comparisons");
    out_.steps_.push_back({op, left, right});
  }

  void condition(std::size_t level) {
    term(level);
    while (take("or") || take("||")) {
      term(level);
      push(Op::logical_or);
    }
  }
  void term(std::size_t level) {
    factor(level);
    while (take("and") || take("&&")) {
      factor(level);
      push(Op::logical_and);
    }
  }
  void factor(std::size_t level) {
    if (level > kMaxDepth) fail("nested too deeply");
    if (take("not") || (text_.compare(at_, 2, "!=") != 0 && take("!"))) {
      factor(level + 1);
      push(Op::logical_not);
    } else if (take("(")) {
      condition(level + 1);
      if (!take(")")) fail("expected ')'");
    } else {
      const Condition::Side left = side();
      const Op op = compare();
      push(op, left, side());
    }
  }
  Op compare() {
    static constexpr std::array<std::pair<std::string_view, Op>, 7> ops = {{{"<=", Op::less_equal},
                                                                            {">=", Op::greater_equal},
                                                                            {"==", Op::equal},
                                                                            {"!=", Op::unequal},
                                                                            {"<", Op::less},
                                                                            {">", Op::greater},
                                                                            {"=", Op::equal}}};
    for (const auto& [token, op] : ops) {
      if (take(token)) return op;
    }
    fail("expected < <= > >= == or !=");
  }
  Condition::Side side() {
    if (at_ == text_.size()) fail("expected a column or a number");
    const char c = text_[at_];
    if (c == '"' || c == '\'' || c == '`') {
      const std::size_t end = text_.find(c, at_ + 1);
      if (end == std::string::npos) fail("the quote is never closed");
      const std::string name = text_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
      skip_blanks();
      return column(name);
    }
    if (name_start(c)) {
      std::size_t end = at_;
      while (end < text_.size() && name_char(text_[end])) ++end;
      const std::string name = text_.substr(at_, end - at_);
      at_ = end;
      skip_blanks();
      return column(name);
    }
    Condition::Side number;
    if (c == '+') ++at_;
    const char* const start = text_.data() + at_;
    const auto [end, status] = std::from_chars(start, text_.data() + text_.size(), number.number);
    if (status != std::errc() || end == start) fail("expected a column or a number");
    at_ += static_cast<std::size_t>(end - start);
    skip_blanks();
    return number;
  }
  Condition::Side column(const std::string& name) const { return {true, column_index(columns_, name, "condition"), 0}; }

  const std::string& text_;
  const std::vector<std::string>& columns_;
  std::size_t at_ = 0, depth_ = 0;
  Condition out_;
};

Condition Condition::parse(const std::string& text, const std::vector<std::string>& columns) {
  return ConditionParser(text, columns).parse();
}

bool Condition::holds(std::span<const double> row) const {
  std::uint64_t stack = 1;  // the lowest bit is the top; an empty expression holds
  for (const Step& step : steps_) {
    const double a = step.left.value(row), b = step.right.value(row);
    const bool known = !std::isnan(a) && !std::isnan(b);
    const std::uint64_t top = stack & 1U, below = (stack >> 1U) & 1U;
    const auto push = [&](bool result) { stack = (stack << 1U) | static_cast<std::uint64_t>(known && result); };
    switch (step.op) {
      case Op::less:
        push(a < b);
        break;
      case Op::less_equal:
        push(a <= b);
        break;
      case Op::greater:
        push(a > b);
        break;
      case Op::greater_equal:
        push(a >= b);
        break;
      case Op::equal:
        push(a == b);
        break;
      case Op::unequal:
        push(a != b);
        break;
      case Op::logical_and:
        stack = ((stack >> 2U) << 1U) | (top & below);
        break;
      case Op::logical_or:
        stack = ((stack >> 2U) << 1U) | (top | below);
        break;
      case Op::logical_not:
        stack ^= 1U;
        break;
    }
  }
  return (stack & 1U) != 0;
}

}  // namespace anomctl
