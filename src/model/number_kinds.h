// Kinds of numbers in files of weights, by the names of safetensors. Private to the room. Thread rule: constants.
#pragma once

#include <cstddef>
#include <string_view>

namespace anomctl {

struct NumberKind {
  const char* name;  // "F32"
  std::size_t bytes;
  float (*read)(const char*);  // little-endian, at any address
};
// Null for a name that is not read.
const NumberKind* find_number_kind(std::string_view name);

}  // namespace anomctl
