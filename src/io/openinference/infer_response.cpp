#include "anomctl/io/openinference/infer_response.h"

#include <charconv>
#include <cmath>

#include "anomctl/core/json.h"

namespace anomctl::v2 {

namespace {

void append_json_number(DataType type, double value, std::string& out) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  if (type == DataType::boolean) {
    out += value != 0 ? "true" : "false";
    return;
  }
  char text[32];
  const bool real = type == DataType::fp16 || type == DataType::fp32 || type == DataType::fp64;
  const auto end = real ? std::to_chars(text, text + sizeof text, value)
                        : std::to_chars(text, text + sizeof text, static_cast<std::int64_t>(value));
  const std::string_view written(text, static_cast<std::size_t>(end.ptr - text));
  out += written;
  // 2.0 and not 2: some readers take a number without point for an integer.
  if (real && written.find_first_of(".e") == std::string_view::npos) out += ".0";
}

}  // namespace

EncodedResponse encode(const InferResponse& response) {
  std::string json = "{\"model_name\":" + Json(response.model_name).dump();
  if (!response.model_version.empty()) json += ",\"model_version\":" + Json(response.model_version).dump();
  json += ",\"id\":" + Json(response.id).dump() + ",\"parameters\":{" + response.parameters + "},\"outputs\":[";
  std::string blob;
  bool any_binary = false;
  for (std::size_t i = 0; i < response.outputs.size(); ++i) {
    const InferOutput& output = response.outputs[i];
    json += i == 0 ? "{\"name\":" : ",{\"name\":";
    json += Json(output.name).dump() + ",\"shape\":[";
    for (std::size_t d = 0; d < output.shape.size(); ++d) json += (d == 0 ? "" : ",") + std::to_string(output.shape[d]);
    json += "],\"datatype\":\"" + std::string(name_of(output.datatype)) + "\",\"parameters\":{\"content_type\":\"np\"";
    if (!output.parameters.empty()) json += "," + output.parameters;
    if (output.binary) {
      any_binary = true;
      const std::size_t before = blob.size();
      for (const double value : output.numbers) append_number(output.datatype, value, blob);
      json += ",\"binary_data_size\":" + std::to_string(blob.size() - before) + "}}";
      continue;
    }
    json += "},\"data\":[";
    for (std::size_t n = 0; n < output.numbers.size(); ++n) {
      if (n != 0) json += ',';
      append_json_number(output.datatype, output.numbers[n], json);
    }
    json += "]}";
  }
  json += "]}";
  EncodedResponse encoded;
  if (any_binary) encoded.json_bytes = json.size();
  encoded.body = std::move(json) + blob;
  return encoded;
}

}  // namespace anomctl::v2
