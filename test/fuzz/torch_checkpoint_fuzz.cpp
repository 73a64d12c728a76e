// Files of torch.save from strangers: any bytes are tensors that fit their shapes and the file, or an Error. The first
// byte says what the rest is: a whole file, or (since no change of a file gets past its checksums) the pickle alone,
// with 4096 bytes of values.
#include <cstdlib>
#include <string>

#include "anomctl/core/error.h"
#include "anomctl/model/torch_checkpoint.h"
#include "model/torch_file/pickled_tensors.h"

using namespace anomctl;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::string values(4096, '\x3f');
  try {
    TensorMap tensors;
    std::size_t most = bytes.size();
    if (data[0] == 'P') {
      most = 2 * values.size();
      const torch_file::Pickle pickle(bytes, "fuzz");
      tensors = torch_file::pickled_tensors(pickle, {{"data/0", values}, {"data/1", values}}, most, "fuzz");
    } else {
      tensors = parse_torch_checkpoint(bytes, "fuzz");
    }
    std::size_t count = 0;
    for (const auto& [name, tensor] : tensors) {
      if (static_cast<std::uint64_t>(tensor.size()) != tensor.values.size()) std::abort();
      count += tensor.values.size();
    }
    if (count > most) std::abort();
  } catch (const Error&) {
    // Refused: the expected end of most inputs.
  }
  return 0;
}
