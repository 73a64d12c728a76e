// The bytes of a table file as delimited text: as it stands, or a Parquet file turned into text by the Arrow module.
// Thread rule: free functions.
#pragma once

#include <memory>

#include "anomctl/data/csv.h"

namespace anomctl {

bool is_parquet(const fs::path& file);
std::unique_ptr<ByteSource> open_table_bytes(const fs::path& file);

// The module's entry: extern "C", compiled with the same compiler as the program. Text with comma, a header line and
// quoted texts; stamps as ISO 8601, without Z where the file knows no zone. Throws Error(bad_input).
inline constexpr int kTablesAbi = 1;
using OpenParquet = ByteSource* (*)(int abi, const char* file);

}  // namespace anomctl
