// Small work on texts. Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace anomctl {

// Without blanks, tabs and carriage returns at both ends.
std::string_view trim(std::string_view text);
// Requires: `what` is not empty.
void replace_all(std::string& text, std::string_view what, std::string_view by);

}  // namespace anomctl
