// Named tensors in the safetensors format (https://github.com/huggingface/safetensors): float32, little-endian,
// row-major. Untrusted input: sizes are checked before anything is allocated. Thread rule: values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "anomctl/core/files.h"

namespace anomctl {

struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
  std::int64_t size() const;  // product of shape
};

using TensorMap = std::map<std::string, Tensor>;

// F32 as is; F64, F16, BF16, I64 are converted to float. Throws Error(bad_input) naming `where` and the tensor.
TensorMap parse_safetensors(std::string_view bytes, const std::string& where);
TensorMap load_safetensors(const fs::path& path, std::uint64_t max_bytes = 2048 * kMiB);
std::string to_safetensors(const TensorMap& tensors, const std::map<std::string, std::string>& metadata = {});

}  // namespace anomctl
