// JSON as a value (RFC 8259). Objects keep the order of insertion. Thread rule: a value, no locking.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace anomctl {

struct JsonLimits {
  std::size_t max_bytes = 64 * 1024 * 1024;
  std::size_t max_depth = 64;
  std::size_t max_values = static_cast<std::size_t>(-1);  // scalars, arrays and objects: each costs memory
};

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool v) : value_(v) {}
  Json(int v) : value_(static_cast<std::int64_t>(v)) {}
  Json(long v) : value_(static_cast<std::int64_t>(v)) {}
  Json(long long v) : value_(static_cast<std::int64_t>(v)) {}
  Json(unsigned v) : value_(static_cast<std::int64_t>(v)) {}
  Json(unsigned long v) : value_(static_cast<std::int64_t>(v)) {}
  Json(double v) : value_(v) {}
  Json(const char* v) : value_(std::string(v)) {}
  Json(std::string v) : value_(std::move(v)) {}
  Json(std::string_view v) : value_(std::string(v)) {}
  Json(Array v) : value_(std::move(v)) {}
  Json(Object v) : value_(std::move(v)) {}
  template <class T>
  Json(const std::vector<T>& items) : value_(Array(items.begin(), items.end())) {}
  static Json object() { return Json(Object{}); }
  static Json array() { return Json(Array{}); }

  // Throws Error(bad_input) that names `where` and the byte position. NaN and Infinity are not JSON.
  static Json parse(std::string_view text, std::string_view where = "JSON", const JsonLimits& limits = {});
  // indent < 0: one line. A non-finite number is written as null; doubles in the fewest digits that read back equal.
  std::string dump(int indent = -1) const;

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(value_); }
  bool is_number() const { return is_int() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // Throw Error(bad_input) "expected a number, found a string" when the kind differs.
  bool as_bool() const;
  std::int64_t as_int() const;  // also a double without fraction
  double as_double() const;
  const std::string& as_string() const;
  const Array& as_array() const;
  Array& as_array();
  const Object& as_object() const;
  Object& as_object();

  // Member of an object: nullptr when absent (or when this is no object).
  const Json* find(std::string_view key) const;
  // Throws Error(bad_input) "missing key 'x'".
  const Json& at(std::string_view key) const;
  // The member, made null when it is new; turns null into an object.
  Json& operator[](std::string_view key);
  void push_back(Json item);
  std::size_t size() const;  // of an array or object, else 0

  double number_or(std::string_view key, double fallback) const;
  std::int64_t int_or(std::string_view key, std::int64_t fallback) const;
  bool bool_or(std::string_view key, bool fallback) const;
  std::string string_or(std::string_view key, std::string_view fallback) const;

  bool operator==(const Json&) const = default;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

// A copy that RapidJSON may parse in place (numbers then come as their text without a copy each), with room behind it:
// its check of UTF-8 reads past the end of a character that was cut off.
std::string json_buffer(std::string_view text);

// The value of a JSON number's text: a whole one where it fits, else the nearest double (0 below the smallest). nullopt
// for what no double holds. NaN, Infinity and -Infinity are read where a parser lets them through.
struct JsonNumber {
  bool is_whole = false;
  std::int64_t whole = 0;
  double real = 0;
};
std::optional<JsonNumber> parse_json_number(std::string_view text);
// Whether the bytes are UTF-8 (RFC 3629).
bool is_utf8(std::string_view text);

std::vector<double> doubles(const Json& array);
std::vector<std::string> strings(const Json& array);
// "0.1", "1e-07", "nan": the fewest digits that read back equal.
std::string shortest(double value);

}  // namespace anomctl
