// The answer to a V2 inference request. Thread rule: values and pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "anomctl/io/openinference/tensor.h"

namespace anomctl::v2 {

struct InferOutput {
  std::string name;
  DataType datatype = DataType::fp64;
  std::vector<std::int64_t> shape;
  std::vector<double> numbers;  // flat, row-major; not finite is written as null in JSON
  std::string parameters;       // further members as JSON text without braces: "\"stateless\":true"
  bool binary = false;          // after the JSON instead of in it
};

struct InferResponse {
  std::string model_name, model_version, id;
  std::string parameters;  // further members of the answer's parameters, as above
  std::vector<InferOutput> outputs;
};

struct EncodedResponse {
  std::string body;
  std::optional<std::size_t> json_bytes;  // set where binary tensors follow: header Inference-Header-Content-Length
};
EncodedResponse encode(const InferResponse& response);

}  // namespace anomctl::v2
