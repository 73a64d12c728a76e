#include "roles/serve/mlflow_invocation.h"

#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"

namespace anomctl::serve {

namespace {

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

}  // namespace

std::variant<v2::InferRequest, v2::Refusal> read_invocation(std::string_view body, const Bundle& bundle,
                                                            const v2::InferLimits& limits) {
  try {
    const Json json = Json::parse(body, "request body",
                                  {.max_bytes = std::max<std::size_t>(body.size(), 1), .max_depth = limits.max_depth});
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
