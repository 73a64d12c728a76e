#include "roles/serve/mlflow_invocation.h"

#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/data/csv.h"
#include "anomctl/io/net/http.h"

namespace anomctl::serve {

namespace {

constexpr std::size_t kMostValues = 1 << 21;  // of the document that is built: at most some 200 MB

double value_of(const Json& json, const v2::InferLimits& limits) {
  if (json.is_null() && limits.allow_not_finite) return std::numeric_limits<double>::quiet_NaN();
  return json.as_double();
}

// The sizes of a nested array, taken along its first elements.
std::vector<std::int64_t> shape_of(const Json& json) {
  std::vector<std::int64_t> shape;
  for (const Json* at = &json; at->is_array(); at = &at->as_array().front()) {
    shape.push_back(static_cast<std::int64_t>(at->size()));
    if (at->size() == 0) break;
  }
  return shape;
}

void flatten(const Json& json, std::size_t depth, v2::InferInput& tensor, const v2::InferLimits& limits) {
  if (depth == tensor.shape.size()) {
    tensor.numbers.push_back(value_of(json, limits));
    return;
  }
  if (!json.is_array() || static_cast<std::int64_t>(json.size()) != tensor.shape[depth])
    throw input_error("the nested array of '" + tensor.name + "' is ragged");
  for (const Json& item : json.as_array()) flatten(item, depth + 1, tensor, limits);
}

v2::InferInput tensor_of(const std::string& name, const Json& json, const v2::InferLimits& limits) {
  v2::InferInput tensor;
  tensor.name = name;
  tensor.datatype = v2::DataType::fp64;
  tensor.shape = shape_of(json);
  flatten(json, 0, tensor, limits);
  return tensor;
}

v2::InferInput column(const std::string& name) {
  v2::InferInput tensor;
  tensor.name = name;
  tensor.datatype = v2::DataType::fp64;
  return tensor;
}

v2::InferRequest of_split(const Json& split, const v2::InferLimits& limits) {
  v2::InferRequest request;
  request.content_type = "pd";
  for (const std::string& name : strings(split.at("columns"))) request.inputs.push_back(column(name));
  for (const Json& row : split.at("data").as_array()) {
    if (row.size() != request.inputs.size())
      throw input_error("a row of dataframe_split has another number of values than columns");
    for (std::size_t c = 0; c < row.size(); ++c)
      request.inputs[c].numbers.push_back(value_of(row.as_array()[c], limits));
  }
  return request;
}

v2::InferRequest of_records(const Json& records, const Bundle& bundle, const v2::InferLimits& limits) {
  v2::InferRequest request;
  request.content_type = "pd";
  for (const Column& known : bundle.columns) request.inputs.push_back(column(known.name));
  for (const Json& record : records.as_array())
    for (v2::InferInput& input : request.inputs) input.numbers.push_back(value_of(record.at(input.name), limits));
  return request;
}

// A header line with the names of the columns, then a row a line.
v2::InferRequest of_csv(std::string_view body, const v2::InferLimits& limits) {
  v2::InferRequest request;
  request.content_type = "pd";
  CsvReader reader(bytes_of(std::string(body)), "request body");
  std::vector<std::string_view> cells;
  if (!reader.next(cells)) throw input_error("the CSV has no header line");
  for (const std::string_view name : cells) request.inputs.push_back(column(std::string(trim(name))));
  while (reader.next(cells)) {
    if (cells.empty()) continue;
    if (cells.size() != request.inputs.size())
      throw reader.error("the row has another number of cells than the header");
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const auto number =
          is_missing_cell(cells[c]) ? std::optional(std::numeric_limits<double>::quiet_NaN()) : parse_number(cells[c]);
      if (!number) throw reader.error(shown(cells[c]) + " is no number");
      if (!std::isfinite(*number) && !limits.allow_not_finite)
        throw reader.error(shown(cells[c]) + " is not finite: missing values are refused");
      request.inputs[c].numbers.push_back(*number);
    }
  }
  return request;
}

}  // namespace

std::variant<v2::InferRequest, v2::Refusal> read_invocation(std::string_view body, std::string_view content_type,
                                                            const Bundle& bundle, const v2::InferLimits& limits) {
  try {
    if (equal_ignoring_case(content_type.substr(0, content_type.find(';')), "text/csv")) {
      v2::InferRequest request = of_csv(body, limits);
      for (v2::InferInput& input : request.inputs)
        input.shape.resize(1, static_cast<std::int64_t>(input.numbers.size()));
      return request;
    }
    const Json json = Json::parse(
        body, "request body",
        {.max_bytes = std::max<std::size_t>(body.size(), 1), .max_depth = limits.max_depth, .max_values = kMostValues});
    v2::InferRequest request;
    if (const Json* split = json.find("dataframe_split")) {
      request = of_split(*split, limits);
    } else if (const Json* records = json.find("dataframe_records")) {
      request = of_records(*records, bundle, limits);
    } else {
      const Json* inputs = json.find("inputs") ? json.find("inputs") : json.find("instances");
      if (!inputs)
        return v2::bad_request("the body needs one of inputs, instances, dataframe_split, dataframe_records");
      if (inputs->is_object()) {
        for (const auto& [name, value] : inputs->as_object()) request.inputs.push_back(tensor_of(name, value, limits));
      } else {
        request.inputs.push_back(tensor_of("inputs", *inputs, limits));
      }
    }
    for (v2::InferInput& input : request.inputs)
      if (input.shape.empty()) input.shape.resize(1, static_cast<std::int64_t>(input.numbers.size()));
    return request;
  } catch (const Error& e) {
    return v2::bad_request(e.what());
  }
}

}  // namespace anomctl::serve
