// Small work on texts. Thread rule: pure functions.
#pragma once

#include <string_view>

namespace anomctl {

// Without blanks, tabs and carriage returns at both ends.
std::string_view trim(std::string_view text);

}  // namespace anomctl
