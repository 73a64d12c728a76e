// Weights as torch.save writes them (torch 1.6 and later): a zip archive of a pickle and of the tensors' bytes. Read are
// a state_dict, and a whole module of the Python original as mlflow.pytorch.log_model keeps it; of the pickle only what
// these need, as plain data: nothing in the file is ever run. Untrusted input: sizes are checked before anything is
// allocated. Source: torch/serialization.py and torch/_utils.py of torch 2.11; pickletools.py of Python 3.11.
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "anomctl/model/tensors.h"

namespace anomctl {

// Whether the bytes begin as a zip archive or a pickle does: what torch.save writes, and safetensors never.
bool looks_like_torch_file(std::string_view first_bytes);
// By the names of the state_dict; float32 as is, float64, float16, bfloat16 and int64 converted. Throws Error(bad_input)
// naming `where` and what is not read.
TensorMap parse_torch_checkpoint(std::string_view bytes, const std::string& where);
// Weights in either format, told apart by their content.
TensorMap load_weights(const fs::path& path, std::uint64_t max_bytes = 2048 * kMiB);

}  // namespace anomctl
