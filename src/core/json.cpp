#include "anomctl/core/json.h"

#include <fmt/core.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

constexpr std::array<const char*, 7> kKindNames = {"null",     "true or false", "a number", "a number",
                                                   "a string", "an array",      "an object"};

// Builds a Json from RapidJSON's events; refuses what is nested too deeply.
class Builder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Builder> {
 public:
  explicit Builder(const JsonLimits& limits) : max_depth_(limits.max_depth), max_values_(limits.max_values) {}
  bool Null() { return add(Json()); }
  bool Bool(bool v) { return add(Json(v)); }
  bool RawNumber(const char* text, rapidjson::SizeType n, bool) {
    const auto number = parse_json_number({text, n});
    if (!number) stopped = "a number beyond the range of a double";
    return number && add(number->is_whole ? Json(number->whole) : Json(number->real));
  }
  bool String(const char* text, rapidjson::SizeType n, bool) { return add(Json(std::string(text, n))); }
  bool Key(const char* text, rapidjson::SizeType n, bool) {
    keys_.emplace_back(text, n);
    return true;
  }
  bool StartObject() { return open(Json::object()); }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool StartArray() { return open(Json::array()); }
  bool EndArray(rapidjson::SizeType) { return close(); }

  Json result;
  std::string stopped;  // why an event returned false

 private:
  bool open(Json container) {
    if (open_.size() >= max_depth_) {
      stopped = fmt::format("nested deeper than {}", max_depth_);
      return false;
    }
    open_.push_back(std::move(container));
    return true;
  }
  bool close() {
    Json done = std::move(open_.back());
    open_.pop_back();
    return add(std::move(done));
  }
  bool add(Json value) {
    if (++values_ > max_values_) {
      stopped = fmt::format("more than {} values", max_values_);
      return false;
    }
    if (open_.empty()) {
      result = std::move(value);
    } else if (open_.back().is_array()) {
      open_.back().as_array().push_back(std::move(value));
    } else {
      open_.back().as_object().emplace_back(std::move(keys_.back()), std::move(value));
      keys_.pop_back();
    }
    return true;
  }

  std::size_t max_depth_, max_values_, values_ = 0;
  std::vector<Json> open_;
  std::vector<std::string> keys_;
};

void write_string(std::string& out, const std::string& text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
          out += c;
    }
  }
  out += '"';
}

void write(std::string& out, const Json& v, int indent, int depth) {
  const auto newline = [&](int d) {
    if (indent < 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent * d), ' ');
  };
  if (v.is_null())
    out += "null";
  else if (v.is_bool())
    out += v.as_bool() ? "true" : "false";
  else if (v.is_int())
    out += std::to_string(v.as_int());
  else if (v.is_number())
    out += std::isfinite(v.as_double()) ? shortest(v.as_double()) : "null";
  else if (v.is_string())
    write_string(out, v.as_string());
  else if (v.is_array()) {
    const auto& items = v.as_array();
    // An array of plain values stays on one line.
    bool nested = false;
    for (const Json& item : items) nested = nested || item.is_array() || item.is_object();
    out += '[';
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out += indent < 0 || nested ? "," : ", ";
      if (nested) newline(depth + 1);
      write(out, items[i], indent, depth + 1);
    }
    if (nested && !items.empty()) newline(depth);
    out += ']';
  } else {
    const auto& members = v.as_object();
    out += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0) out += ',';
      newline(depth + 1);
      write_string(out, members[i].first);
      out += indent < 0 ? ":" : ": ";
      write(out, members[i].second, indent, depth + 1);
    }
    if (!members.empty()) newline(depth);
    out += '}';
  }
}

}  // namespace

std::string json_buffer(std::string_view text) {
  constexpr std::size_t kLongestCharacter = 4;
  std::string buffer;
  buffer.reserve(text.size() + kLongestCharacter);
  buffer.append(text).append(kLongestCharacter, '\0');
  return buffer;
}

std::optional<JsonNumber> parse_json_number(std::string_view text) {
  JsonNumber number;
  const char* const end = text.data() + text.size();
  const auto whole = std::from_chars(text.data(), end, number.whole);
  number.is_whole = whole.ec == std::errc() && whole.ptr == end;
  if (number.is_whole) return number;
  const auto real = std::from_chars(text.data(), end, number.real);
  if (real.ptr != end) return std::nullopt;
  if (real.ec == std::errc::result_out_of_range) {
    // Too large or too small: strtod tells which.
    number.real = std::strtod(std::string(text).c_str(), nullptr);
    if (std::isinf(number.real)) return std::nullopt;
  }
  return number;
}

std::string shortest(double value) {
  if (std::isnan(value)) return "nan";
  std::array<char, 32> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return std::string(buffer.data(), result.ptr);
}

bool is_utf8(std::string_view text) {
  rapidjson::MemoryStream in(text.data(), text.size());
  rapidjson::StringBuffer out;
  while (in.Tell() < text.size()) {
    if (!rapidjson::UTF8<>::Validate(in, out)) return false;
    if (in.Tell() > text.size()) return false;
    out.Clear();
  }
  return true;
}

Json Json::parse(std::string_view text, std::string_view where, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    throw input_error(fmt::format("{}: {} bytes of JSON, at most {} are read", where, text.size(), limits.max_bytes));
  }
  std::string buffer = json_buffer(text);
  rapidjson::InsituStringStream stream(buffer.data());
  rapidjson::Reader reader;
  Builder builder(limits);
  constexpr unsigned kFlags = rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNumbersAsStringsFlag |
                              rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag;
  const rapidjson::ParseResult ok = reader.Parse<kFlags>(stream, builder);
  if (!ok) {
    const std::string why = builder.stopped.empty() ? rapidjson::GetParseError_En(ok.Code()) : builder.stopped;
    throw input_error(fmt::format("{}: not valid JSON at byte {}: {}", where, ok.Offset(), why));
  }
  // A zero byte ends the text for the reader.
  if (stream.Tell() < text.size()) {
    throw input_error(fmt::format("{}: not valid JSON at byte {}: a zero byte", where, stream.Tell()));
  }
  return std::move(builder.result);
}

std::string Json::dump(int indent) const {
  std::string out;
  write(out, *this, indent, 0);
  return out;
}

namespace {
[[noreturn]] void wrong_kind(const char* wanted, std::size_t found) {
  throw input_error(fmt::format("expected {}, found {}", wanted, kKindNames[found]));
}
}  // namespace

bool Json::as_bool() const {
  if (const auto* v = std::get_if<bool>(&value_)) return *v;
  wrong_kind("true or false", value_.index());
}
std::int64_t Json::as_int() const {
  if (const auto* v = std::get_if<std::int64_t>(&value_)) return *v;
  if (const auto* v = std::get_if<double>(&value_); v && std::trunc(*v) == *v && std::fabs(*v) < 9e15) {
    return static_cast<std::int64_t>(*v);
  }
  wrong_kind("a whole number", value_.index());
}
double Json::as_double() const {
  if (const auto* v = std::get_if<double>(&value_)) return *v;
  if (const auto* v = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*v);
  wrong_kind("a number", value_.index());
}
const std::string& Json::as_string() const {
  if (const auto* v = std::get_if<std::string>(&value_)) return *v;
  wrong_kind("a string", value_.index());
}
const Json::Array& Json::as_array() const {
  if (const auto* v = std::get_if<Array>(&value_)) return *v;
  wrong_kind("an array", value_.index());
}
Json::Array& Json::as_array() {
  if (auto* v = std::get_if<Array>(&value_)) return *v;
  wrong_kind("an array", value_.index());
}
const Json::Object& Json::as_object() const {
  if (const auto* v = std::get_if<Object>(&value_)) return *v;
  wrong_kind("an object", value_.index());
}
Json::Object& Json::as_object() {
  if (auto* v = std::get_if<Object>(&value_)) return *v;
  wrong_kind("an object", value_.index());
}

const Json* Json::find(std::string_view key) const {
  const auto* members = std::get_if<Object>(&value_);
  if (members == nullptr) return nullptr;
  for (const Member& m : *members) {
    if (m.first == key) return &m.second;
  }
  return nullptr;
}

const Json& Json::at(std::string_view key) const {
  const Json* found = find(key);
  if (found == nullptr) throw input_error(fmt::format("missing key '{}'", key));
  return *found;
}

Json& Json::operator[](std::string_view key) {
  if (is_null()) value_ = Object{};
  auto& members = as_object();
  for (Member& m : members) {
    if (m.first == key) return m.second;
  }
  members.emplace_back(std::string(key), Json());
  return members.back().second;
}

void Json::push_back(Json item) {
  if (is_null()) value_ = Array{};
  as_array().push_back(std::move(item));
}

std::size_t Json::size() const {
  if (const auto* v = std::get_if<Array>(&value_)) return v->size();
  if (const auto* v = std::get_if<Object>(&value_)) return v->size();
  return 0;
}

double Json::number_or(std::string_view key, double fallback) const {
  const Json* v = find(key);
  return v == nullptr || v->is_null() ? fallback : v->as_double();
}
std::int64_t Json::int_or(std::string_view key, std::int64_t fallback) const {
  const Json* v = find(key);
  return v == nullptr || v->is_null() ? fallback : v->as_int();
}
bool Json::bool_or(std::string_view key, bool fallback) const {
  const Json* v = find(key);
  return v == nullptr || v->is_null() ? fallback : v->as_bool();
}
std::string Json::string_or(std::string_view key, std::string_view fallback) const {
  const Json* v = find(key);
  return v == nullptr || v->is_null() ? std::string(fallback) : v->as_string();
}

std::vector<double> doubles(const Json& array) {
  std::vector<double> out;
  for (const Json& item : array.as_array()) out.push_back(item.as_double());
  return out;
}
std::vector<std::string> strings(const Json& array) {
  std::vector<std::string> out;
  for (const Json& item : array.as_array()) out.push_back(item.as_string());
  return out;
}

}  // namespace anomctl
