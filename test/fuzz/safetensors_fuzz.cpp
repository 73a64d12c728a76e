// Weights from strangers: any bytes are tensors that fit their shapes and the file, or an Error; what is read can be
// written and read again.
#include <cstdlib>
#include <cstring>

#include "anomctl/core/error.h"
#include "anomctl/model/tensors.h"

using namespace anomctl;

namespace {

// The same shapes and the same bits; NaN is not equal to itself.
bool same(const TensorMap& a, const TensorMap& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, tensor] : a) {
    const auto other = b.find(name);
    if (other == b.end() || other->second.shape != tensor.shape) return false;
    const auto& values = other->second.values;
    if (values.size() != tensor.values.size()) return false;
    if (!values.empty() && std::memcmp(values.data(), tensor.values.data(), values.size() * sizeof(float)) != 0)
      return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  try {
    const TensorMap tensors = parse_safetensors({reinterpret_cast<const char*>(data), size}, "fuzz");
    std::size_t values = 0;
    for (const auto& [name, tensor] : tensors) {
      if (static_cast<std::uint64_t>(tensor.size()) != tensor.values.size()) std::abort();
      values += tensor.values.size();
    }
    if (values > size) std::abort();
    if (!same(parse_safetensors(to_safetensors(tensors), "written"), tensors)) std::abort();
  } catch (const Error&) {
    // Refused: the expected end of most inputs.
  }
  return 0;
}
