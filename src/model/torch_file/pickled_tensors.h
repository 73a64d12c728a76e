// The tensors that a pickle of torch.save describes, with their values from the archive's entries. Thread rule: pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "anomctl/model/tensors.h"
#include "model/torch_file/pickle.h"

namespace anomctl::torch_file {

using Entries = std::map<std::string, std::string_view, std::less<>>;

// Of a state_dict, or of a whole module by the names that its state_dict() would have. All values together are no more
// than `file_bytes` can hold. Throws Error(bad_input) that begins with `where`.
TensorMap pickled_tensors(const Pickle& pickle, const Entries& entries, std::size_t file_bytes,
                          const std::string& where);

}  // namespace anomctl::torch_file
