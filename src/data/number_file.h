// The number files of a data set folder: no header, the same number of comma-separated numbers on every line. Thread
// rule: free functions.
#pragma once

#include <cstdint>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/core/matrix.h"

namespace anomctl {

// A cell may be empty or nan: a missing value. `width` 0 takes the first line's. Throws Error(bad_input) with file and
// line for ragged rows, text and an empty line between rows.
Matrix<double> read_number_file(const fs::path& path, std::size_t width = 0);
// One 0 or 1 a line.
std::vector<std::uint8_t> read_label_file(const fs::path& path);

}  // namespace anomctl
