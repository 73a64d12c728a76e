// A V2 inference request from anywhere: read or refused with a JSON body that says why; what is read fits its shape.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "anomctl/core/json.h"
#include "anomctl/io/openinference/infer_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anomctl;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  v2::InferLimits limits;
  limits.max_elements = 1 << 16;
  for (const bool not_finite : {false, true}) {
    limits.allow_not_finite = not_finite;
    const auto parsed = v2::parse_infer_request(body, std::nullopt, limits);
    if (const auto* refusal = std::get_if<v2::Refusal>(&parsed)) {
      if (refusal->status < 400 || refusal->status > 499) std::abort();
      if (!Json::parse(refusal->body, "refusal", {.max_depth = 64}).at("error").is_string()) std::abort();
      continue;
    }
    for (const v2::InferInput& input : std::get<v2::InferRequest>(parsed).inputs) {
      const std::size_t elements = input.datatype == v2::DataType::bytes ? input.texts.size() : input.numbers.size();
      if (v2::element_count(input.shape, limits.max_elements) != elements) std::abort();
      for (const double value : input.numbers)
        if (!not_finite && !std::isfinite(value)) std::abort();
    }
  }
  return 0;
}
