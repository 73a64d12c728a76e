// Columns by name. Thread rule: free functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anomctl {

// Throws UsageError that lists the nearest name; `what` says who asks ("condition", "--columns").
std::size_t column_index(const std::vector<std::string>& columns, std::string_view name, std::string_view what);
// Lower case, without blanks and signs: "Time Stamp" -> "timestamp".
std::string plain_name(std::string_view name);
// The names as "a, b, c" or, when they are many, the first with a count.
std::string list_names(const std::vector<std::string>& names, std::size_t most = 12);

}  // namespace anomctl
