#include "anomctl/io/openinference/infer_request.h"

#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "io/openinference/infer_events.h"

namespace anomctl::v2 {

namespace {

constexpr std::size_t kLongestEcho = 64 * 1024;

std::string quoted(std::string_view text) { return Json(text).dump(); }

// What was sent, where it is JSON: NaN and Infinity, which bodies may hold, are none.
std::string echo_of(const std::string& input) {
  if (input.size() > kLongestEcho) return "null";
  try {
    Json::parse(input);
    return input;
  } catch (const Error&) {
    return "null";
  }
}

// One entry of "detail".
struct Detail {
  std::string type, location, message, input, context;
};

Refusal refusal_of(const std::vector<Detail>& details) {
  std::string body = "{\"error\":";
  const Detail& first = details.front();
  std::string error = first.message + " at " + first.location;
  if (!first.context.empty()) error += ": " + first.context;
  body += quoted(error) + ",\"detail\":[";
  for (std::size_t i = 0; i < details.size(); ++i) {
    const Detail& d = details[i];
    body += i == 0 ? "" : ",";
    body += "{\"type\":" + quoted(d.type) + ",\"loc\":" + d.location + ",\"msg\":" + quoted(d.message) + ",\"input\":";
    body += echo_of(d.input);
    if (!d.context.empty())
      body += ",\"ctx\":{" + quoted(d.type == "enum" ? "expected" : "error") + ":" + quoted(d.context) + "}";
    body += "}";
  }
  return {422, body + "]}"};
}

// RapidJSON's events, passed on with their position.
class Handler {
 public:
  Handler(InferEvents& events, rapidjson::InsituStringStream& stream) : events_(events), stream_(stream) {}
  bool Null() { return events_.null(); }
  bool Bool(bool b) { return events_.boolean(b); }
  bool RawNumber(const char* text, rapidjson::SizeType n, bool) {
    const auto number = parse_json_number({text, n});
    if (!number) return false;
    return number->is_whole ? events_.whole(number->whole) : events_.number(number->real);
  }
  // Never called: numbers come as their text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
  bool String(const char* s, rapidjson::SizeType n, bool) { return events_.text({s, n}); }
  bool Key(const char* s, rapidjson::SizeType n, bool) { return events_.key({s, n}); }
  bool StartObject() {
    events_.position = stream_.Tell() - 1;
    return events_.start_object();
  }
  bool EndObject(rapidjson::SizeType) {
    events_.position = stream_.Tell();
    return events_.end_object();
  }
  bool StartArray() { return events_.start_array(); }
  bool EndArray(rapidjson::SizeType) { return events_.end_array(); }

 private:
  InferEvents& events_;
  rapidjson::InsituStringStream& stream_;
};

std::string describe(rapidjson::ParseErrorCode code, bool at_end) {
  if (at_end) return "unexpected end of data";
  if (code == rapidjson::kParseErrorTermination) return "Number out of range";
  if (code == rapidjson::kParseErrorValueInvalid) return "unexpected character, expected a JSON value";
  return rapidjson::GetParseError_En(code);
}

Refusal broken_json(std::size_t position, const std::string& why) {
  return refusal_of({{"json_invalid", "[\"body\"," + std::to_string(position) + "]", "JSON decode error", "{}", why}});
}

std::optional<Refusal> read_json(std::string_view json, const InferLimits& limits, InferEvents& events) {
  std::string buffer = json_buffer(json);
  rapidjson::InsituStringStream stream(buffer.data());
  Handler handler(events, stream);
  rapidjson::Reader reader;
  constexpr unsigned kStrict =
      rapidjson::kParseInsituFlag | rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseValidateEncodingFlag;
  const rapidjson::ParseResult result = limits.allow_not_finite
                                            ? reader.Parse<kStrict | rapidjson::kParseNanAndInfFlag>(stream, handler)
                                            : reader.Parse<kStrict>(stream, handler);
  if (result.IsError()) {
    if (!events.stopped.empty()) return bad_request(events.stopped);
    return broken_json(result.Offset(), describe(result.Code(), result.Offset() >= json.size()));
  }
  // A zero byte ends the text for the reader.
  if (stream.Tell() < json.size()) return broken_json(stream.Tell(), "unexpected character");
  return std::nullopt;
}

void check_fields(const RawInput& input, std::size_t index, std::string_view json, std::vector<Detail>& details) {
  const std::string echo(json.substr(input.begin, input.end - input.begin));
  auto location = [&](std::string_view field) {
    return "[\"body\",\"inputs\"," + std::to_string(index) + "," + quoted(field) + "]";
  };
  auto missing = [&](std::string_view field) {
    details.push_back({"missing", location(field), "Field required", echo, ""});
  };
  if (!input.has_name) missing("name");
  if (!input.has_shape) missing("shape");
  if (!input.has_datatype) {
    missing("datatype");
  } else if (!input.datatype_text.empty() && !parse_data_type(input.datatype_text)) {
    details.push_back({"enum", location("datatype"), "Input should be " + std::string(kDataTypeNames),
                       quoted(input.datatype_text), std::string(kDataTypeNames)});
  }
  if (!input.has_data && !input.binary_bytes) missing("data");
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ",") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

// One size may be -1: what the others leave of `elements`, as numpy reshapes.
void fill_in_size(std::vector<std::int64_t>& shape, std::size_t elements) {
  const auto open = std::find(shape.begin(), shape.end(), -1);
  if (open == shape.end() || std::count(shape.begin(), shape.end(), -1) > 1) return;
  std::vector<std::int64_t> others(shape.begin(), open);
  others.insert(others.end(), open + 1, shape.end());
  const auto known = element_count(others, elements);
  if (known && *known > 0 && elements % *known == 0) *open = static_cast<std::int64_t>(elements / *known);
}

// Takes the tensor's bytes off the front of `blob`.
std::optional<Refusal> take_binary(RawInput& input, std::string_view& blob) {
  InferInput& tensor = input.tensor;
  const std::string who = "binary tensor '" + tensor.name + "'";
  const std::uint64_t bytes = *input.binary_bytes;
  if (input.has_data) return bad_request("tensor '" + tensor.name + "' has both data and binary_data_size");
  if (bytes > blob.size()) {
    const std::string why = who + " needs " + std::to_string(bytes) + " bytes and " + std::to_string(blob.size()) +
                            " follow the JSON header";
    return refusal_of({{"json_invalid", "[\"body\",0]", "JSON decode error", "{}", why}});
  }
  const std::string_view own = blob.substr(0, bytes);
  blob.remove_prefix(bytes);
  if (tensor.datatype == DataType::bytes) {
    auto texts = decode_texts(own);
    if (!texts) return bad_request(who + ": the lengths of its elements do not add up to binary_data_size");
    tensor.texts = std::move(*texts);
    return std::nullopt;
  }
  if (bytes % element_size(tensor.datatype) != 0)
    return bad_request(who + ": binary_data_size " + std::to_string(bytes) + " is no multiple of " +
                       std::to_string(element_size(tensor.datatype)));
  tensor.numbers = decode_numbers(tensor.datatype, own);
  return std::nullopt;
}

std::optional<Refusal> check_values(RawInput& input, const InferLimits& limits) {
  InferInput& tensor = input.tensor;
  const std::string who = "tensor '" + tensor.name + "'";
  const bool text = tensor.datatype == DataType::bytes;
  if (input.has_text && !text)
    return bad_request(who + " is " + std::string(name_of(tensor.datatype)) + " and holds text");
  if (text && !tensor.numbers.empty()) return bad_request(who + " is BYTES and holds numbers");
  if (input.ragged) return bad_request(who + ": its nested data is ragged");
  if (input.has_null && !limits.allow_not_finite) return bad_request(who + " holds null: missing values are refused");
  const std::size_t size = text ? tensor.texts.size() : tensor.numbers.size();
  fill_in_size(tensor.shape, size);
  const auto wanted = element_count(tensor.shape, limits.max_elements);
  if (!wanted) return bad_request(who + ": shape " + shape_text(tensor.shape) + " is negative or too large");
  if (*wanted != size)
    return bad_request(who + ": cannot reshape array of size " + std::to_string(size) + " into shape " +
                       shape_text(tensor.shape));
  for (std::size_t i = 0; i < tensor.numbers.size(); ++i) {
    double& value = tensor.numbers[i];
    const bool null = std::isnan(value);
    if (!null && tensor.datatype != DataType::fp64) {
      const auto held = as_held_by(tensor.datatype, value);
      if (!held) return bad_request(who + ": " + shortest(value) + " is no " + std::string(name_of(tensor.datatype)));
      value = *held;
    }
    if (!std::isfinite(value) && !limits.allow_not_finite)
      return bad_request(who + ": element " + std::to_string(i) + " is not finite");
  }
  return std::nullopt;
}

}  // namespace

Refusal bad_request(std::string_view message) { return {400, "{\"error\":" + quoted(message) + "}"}; }

Refusal unprocessable(std::string_view type, std::string_view location, std::string_view message,
                      std::string_view input, std::string_view context) {
  return refusal_of(
      {{std::string(type), std::string(location), std::string(message), std::string(input), std::string(context)}});
}

std::variant<InferRequest, Refusal> parse_infer_request(std::string_view body, std::optional<std::uint64_t> json_bytes,
                                                        const InferLimits& limits) {
  if (json_bytes && *json_bytes > body.size())
    return bad_request("Inference-Header-Content-Length is " + std::to_string(*json_bytes) + " and the body has " +
                       std::to_string(body.size()) + " bytes");
  const std::string_view json = body.substr(0, json_bytes.value_or(body.size()));
  std::string_view blob = body.substr(json.size());
  if (json.empty()) return unprocessable("missing", R"(["body"])", "Field required", "null");
  InferEvents events(limits);
  if (auto refusal = read_json(json, limits, events)) return *refusal;
  if (!events.is_object)
    return unprocessable("model_attributes_type", R"(["body"])",
                         "Input should be a valid dictionary or object to extract fields from", json);
  std::vector<Detail> details;
  if (!events.has_inputs)
    details.push_back({"missing", R"(["body","inputs"])", "Field required", std::string(json), ""});
  for (const TypeFault& f : events.faults)
    if (details.size() < kMostFaults) details.push_back({f.type, f.location, f.message, "null", ""});
  for (std::size_t i = 0; i < events.inputs.size() && details.size() < kMostFaults; ++i)
    check_fields(events.inputs[i], i, json, details);
  for (std::size_t i = 0; i < events.request.outputs.size() && details.size() < kMostFaults; ++i)
    if (events.request.outputs[i].name.empty())
      details.push_back(
          {"missing", "[\"body\",\"outputs\"," + std::to_string(i) + ",\"name\"]", "Field required", "null", ""});
  if (!details.empty()) return refusal_of(details);
  InferRequest request = std::move(events.request);
  for (RawInput& input : events.inputs) {
    input.tensor.datatype = *parse_data_type(input.datatype_text);
    if (input.binary_bytes)
      if (auto refusal = take_binary(input, blob)) return *refusal;
    if (auto refusal = check_values(input, limits)) return *refusal;
    request.inputs.push_back(std::move(input.tensor));
  }
  if (!blob.empty()) return bad_request(std::to_string(blob.size()) + " bytes follow the last binary tensor");
  return request;
}

}  // namespace anomctl::v2
