// A request with raw tensors behind its JSON: the first two bytes of the input are the length of the JSON part.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "anomctl/core/json.h"
#include "anomctl/io/openinference/infer_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anomctl;
  if (size < 2) return 0;
  const std::size_t json_bytes = data[0] + 256U * data[1];
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  v2::InferLimits limits;
  limits.max_elements = 1 << 16;
  const auto parsed = v2::parse_infer_request(body, json_bytes, limits);
  if (const auto* refusal = std::get_if<v2::Refusal>(&parsed)) {
    if (!Json::parse(refusal->body, "refusal", {.max_depth = 64}).at("error").is_string()) std::abort();
    return 0;
  }
  for (const v2::InferInput& input : std::get<v2::InferRequest>(parsed).inputs) {
    // What came as numbers goes back to the same bytes, but for NaN, whose bits may differ.
    std::string bytes;
    for (const double value : input.numbers) v2::append_number(input.datatype, value, bytes);
    if (bytes.size() != input.numbers.size() * v2::element_size(input.datatype)) std::abort();
    if (v2::decode_numbers(input.datatype, bytes) != input.numbers) std::abort();
  }
  return 0;
}
