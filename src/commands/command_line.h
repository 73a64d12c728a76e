// Splits the command line into flags and values. Values get their meaning later, in resolve() (core/config.h).
// Thread rule: pure functions.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/config.h"
#include "anomctl/core/fields.h"

namespace anomctl {

// `arguments` without the command's name. Flags may be written --window-size 3, --window_size=3; true|false settings
// --x, --no-x, --x false; a list --columns a,b --columns c; a setting marked Positional also without its flag. What
// follows `--` is positional. Throws UsageError for an unknown flag (with the nearest one) and a flag without its
// value.
GivenFlags split_command_line(const std::vector<std::string>& arguments, const std::vector<Field>& fields);

// The position of the command's name: the first argument that is neither a flag nor the value of one of `globals`.
std::size_t find_command_word(const std::vector<std::string>& arguments, const std::vector<Field>& globals);

}  // namespace anomctl
