#include "anomctl/core/fields.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"

namespace anomctl {
namespace {

template <class T>
T number(std::string_view text, const char* kind) {
  T value{};
  std::string_view digits = text;
  if (digits.size() > 1 && digits.front() == '+') digits.remove_prefix(1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) throw UsageError(fmt::format("'{}' is too large", text));
  if (error != std::errc() || end != digits.data() + digits.size()) {
    throw UsageError(fmt::format("expected {}, got '{}'", kind, text));
  }
  return value;
}

}  // namespace

void parse_value(std::string_view text, bool& value) {
  if (text == "true" || text == "1" || text == "yes" || text == "on" || text == "True")
    value = true;
  else if (text == "false" || text == "0" || text == "no" || text == "off" || text == "False")
    value = false;
  else
    throw UsageError(fmt::format("expected true or false, got '{}'", text));
}
void parse_value(std::string_view text, int& value) { value = number<int>(text, "a whole number"); }
void parse_value(std::string_view text, std::int64_t& value) { value = number<std::int64_t>(text, "a whole number"); }
void parse_value(std::string_view text, std::uint64_t& value) {
  value = number<std::uint64_t>(text, "a whole number that is not negative");
}
void parse_value(std::string_view text, double& value) {
  value = number<double>(text, "a number");
  if (!std::isfinite(value)) throw UsageError(fmt::format("expected a number, got '{}'", text));
}
void parse_value(std::string_view text, std::string& value) { value = text; }
void parse_value(std::string_view text, std::filesystem::path& value) { value = text; }
void parse_value(std::string_view text, Duration& value) {
  const auto parsed = parse_duration(text);
  if (!parsed) throw UsageError(fmt::format("expected a duration such as 250ms, 5s, 2m, 1h or 7d, got '{}'", text));
  value = *parsed;
}

std::string format_value(bool value) { return value ? "true" : "false"; }
std::string format_value(int value) { return std::to_string(value); }
std::string format_value(std::int64_t value) { return std::to_string(value); }
std::string format_value(std::uint64_t value) { return std::to_string(value); }
std::string format_value(double value) { return shortest(value); }
std::string format_value(const std::string& value) { return value; }
std::string format_value(const std::filesystem::path& value) { return value.string(); }
std::string format_value(Duration value) { return format_duration(value); }

namespace detail {

std::string toml_text(const std::string& text, bool quoted) { return quoted ? Json(text).dump() : text; }

void check_limits(const Field& field, const std::string& text) {
  if (!field.choices.empty() && std::find(field.choices.begin(), field.choices.end(), text) == field.choices.end()) {
    throw UsageError(fmt::format("'{}' is not one of {}", text, fmt::join(field.choices, ", ")));
  }
  if ((!field.lo && !field.hi) || text.empty()) return;
  double value = 0;
  if (field.type == "duration") {
    const auto duration = parse_duration(text);
    if (!duration) return;  // the parser of the value says what is wrong
    value = duration->seconds();
  } else {
    value = number<double>(text, "a number");
  }
  if (field.lo && !(value >= *field.lo)) {
    throw UsageError(field.hi ? fmt::format("{} is outside {} to {}", text, shortest(*field.lo), shortest(*field.hi))
                              : fmt::format("{} is below {}", text, shortest(*field.lo)));
  }
  if (field.hi && !(value <= *field.hi)) {
    throw UsageError(fmt::format("{} is outside {} to {}", text, shortest(*field.lo), shortest(*field.hi)));
  }
}

std::vector<std::string> split_list(const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  for (const std::string& text : texts) {
    std::size_t begin = 0;
    while (begin <= text.size()) {
      const std::size_t comma = std::min(text.find(',', begin), text.size());
      if (comma > begin) out.push_back(text.substr(begin, comma - begin));
      begin = comma + 1;
    }
  }
  return out;
}

}  // namespace detail
}  // namespace anomctl
