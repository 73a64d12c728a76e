// A V2 inference request: JSON, or JSON followed by raw tensors (binary tensor extension). Read without building a
// document: a body costs its numbers and little more. Untrusted input. Thread rule: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "anomctl/io/openinference/tensor.h"

namespace anomctl::v2 {

struct InferInput {
  std::string name;
  DataType datatype = DataType::fp32;
  std::vector<std::int64_t> shape;
  std::string content_type;        // "np", "pd", ... empty: not given
  std::vector<double> numbers;     // flat, row-major; NaN for null where it is allowed
  std::vector<std::string> texts;  // of BYTES, instead of numbers
};

struct RequestedOutput {
  std::string name;
  std::optional<bool> binary;
};

struct InferRequest {
  std::string id;            // empty: not given
  std::string content_type;  // of the request, empty: not given
  bool binary_output = false;
  std::vector<InferInput> inputs;
  std::vector<RequestedOutput> outputs;
};

struct InferLimits {
  std::size_t max_depth = 32;
  std::size_t max_tensors = 16'384;               // inputs, or outputs asked for: a column each with content type pd
  std::uint64_t max_elements = 64 * 1024 * 1024;  // of one tensor
  bool allow_not_finite = false;                  // NaN, Infinity and null in data; else they are refused
};

// The answer to a request that cannot be read: HTTP status and JSON body with "error" and, for 422, "detail" as
// MLServer gives it.
struct Refusal {
  int status = 400;
  std::string body;
};

// `json_bytes`: length of the JSON part, nothing: all of the body (header Inference-Header-Content-Length).
std::variant<InferRequest, Refusal> parse_infer_request(std::string_view body, std::optional<std::uint64_t> json_bytes,
                                                        const InferLimits& limits);

// {"error": message} with 400.
Refusal bad_request(std::string_view message);
// 422 with {"error", "detail":[{"type","loc","msg","input"}]}: `location` and `input` are JSON texts.
Refusal unprocessable(std::string_view type, std::string_view location, std::string_view message,
                      std::string_view input, std::string_view context = {});

}  // namespace anomctl::v2
