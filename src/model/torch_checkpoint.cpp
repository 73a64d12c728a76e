#include "anomctl/model/torch_checkpoint.h"

#include <fmt/core.h>

#include "anomctl/core/error.h"
#include "model/torch_file/pickled_tensors.h"
#include "model/torch_file/stored_zip.h"

namespace anomctl {

bool looks_like_torch_file(std::string_view first_bytes) {
  // A safetensors file begins with a length in 8 bytes, which may be any, and goes on with JSON.
  return first_bytes.starts_with("PK\x03\x04") ||
         (first_bytes.starts_with('\x80') && !(first_bytes.size() > 8 && first_bytes[8] == '{'));
}

TensorMap parse_torch_checkpoint(std::string_view bytes, const std::string& where) {
  if (bytes.starts_with('\x80'))
    throw input_error(fmt::format(
        "{}: a pickle in the form before torch 1.6, which is not read; write it anew: python3 -c \"import torch; "
        "torch.save(torch.load('OLD.pt', map_location='cpu', weights_only=True), 'NEW.pt')\"",
        where));
  const torch_file::Entries entries = torch_file::stored_entries(bytes, where);
  const auto pickle_bytes = entries.find("data.pkl");
  if (pickle_bytes == entries.end()) throw input_error(where + ": a zip archive without data.pkl is no torch file");
  if (const auto order = entries.find("byteorder"); order != entries.end() && order->second != "little")
    throw input_error(where + ": its numbers are not little-endian");
  const torch_file::Pickle pickle(pickle_bytes->second, where);
  return torch_file::pickled_tensors(pickle, entries, bytes.size(), where);
}

TensorMap load_weights(const fs::path& path, std::uint64_t max_bytes) {
  const std::string bytes = read_file(path, max_bytes);
  return looks_like_torch_file(bytes) ? parse_torch_checkpoint(bytes, path.string())
                                      : parse_safetensors(bytes, path.string());
}

}  // namespace anomctl
