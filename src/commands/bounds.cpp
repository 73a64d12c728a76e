#include "commands/bounds.h"

#include <fmt/core.h>

#include "anomctl/core/error.h"
#include "anomctl/core/fields.h"
#include "anomctl/core/text.h"

namespace anomctl {
namespace {

bool holds(double value, const Bound& bound) {
  if (bound.sign == "<") return value < bound.limit;
  if (bound.sign == "<=") return value <= bound.limit;
  if (bound.sign == ">") return value > bound.limit;
  return value >= bound.limit;
}

}  // namespace

Bound parse_bound(const std::string& text) {
  const auto at = text.find_first_of("<>");
  Bound bound;
  bound.text = trim(text);
  if (at != std::string::npos && at > 0) {
    bound.metric = trim(std::string_view(text).substr(0, at));
    bound.sign = text.substr(at, at + 1 < text.size() && text[at + 1] == '=' ? 2 : 1);
    const std::string number(trim(std::string_view(text).substr(at + bound.sign.size())));
    try {
      parse_value(number, bound.limit);
      if (!bound.metric.empty() && !number.empty()) return bound;
    } catch (const UsageError&) {  // said below, with the whole text
    }
  }
  throw UsageError("--fail-on '" + text + "' is not a bound: write it like 'pr_auc<0.6'");
}

std::vector<std::string> missed_bounds(const std::vector<Bound>& bounds, const Json& figures) {
  std::vector<std::string> missed;
  for (const auto& bound : bounds) {
    const auto* value = figures.find(bound.metric);
    if (!value) {
      std::string known;
      for (const auto& [name, figure] : figures.as_object())
        if (figure.is_number() || figure.is_null()) known += (known.empty() ? "" : ", ") + name;
      throw UsageError("--fail-on '" + bound.text + "': there is no figure '" + bound.metric + "'; known are " + known);
    }
    if (!value->is_number())
      missed.push_back(bound.text + ": " + bound.metric + " has no value");
    else if (holds(value->as_double(), bound))
      missed.push_back(fmt::format("{}: {} is {:.6g}", bound.text, bound.metric, value->as_double()));
  }
  return missed;
}

}  // namespace anomctl
