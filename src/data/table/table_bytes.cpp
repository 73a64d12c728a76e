#include "data/table/table_bytes.h"

#include <fmt/core.h>

#include <cstdlib>
#include <cstring>

#include "anomctl/core/module_loader.h"

namespace anomctl {
namespace {

// Where the Arrow libraries lie: told, beside the module, or in the wheel of scripts/setup.
fs::path find_arrow() {
  std::vector<fs::path> folders;
  if (const char* told = std::getenv("ANOMCTL_LIBARROW")) folders.emplace_back(told);
  const fs::path module = find_module("libanomctl-tables.so");
  if (!module.empty()) folders.push_back(module.parent_path());
  fs::path prefix;
  if (const char* told = std::getenv("ANOMCTL_PREFIX")) {
    prefix = told;
  } else if (const char* cache = std::getenv("XDG_CACHE_HOME")) {
    prefix = fs::path(cache) / "anomctl" / "prefix";
  } else if (const char* home = std::getenv("HOME")) {
    prefix = fs::path(home) / ".cache" / "anomctl" / "prefix";
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(prefix / "lib", error)) {
    folders.push_back(entry.path() / "site-packages" / "pyarrow");
  }
#ifdef ANOMCTL_ARROW_DIR
  folders.emplace_back(ANOMCTL_ARROW_DIR);
#endif
  for (const fs::path& folder : folders) {
    if (fs::exists(folder / ("libarrow.so." ANOMCTL_ARROW_VERSION), error)) return folder;
  }
  throw failed(
      "reading Parquet needs the Arrow libraries: run scripts/setup, or set ANOMCTL_LIBARROW to the folder of "
      "libarrow.so." ANOMCTL_ARROW_VERSION);
}

OpenParquet load_tables() {
  static OpenParquet open = nullptr;
  if (open == nullptr) {
    const fs::path arrow = find_arrow();
    ModuleRequest request{"libanomctl-tables.so", "anomctl_open_parquet", "reading Parquet", {}};
    for (const char* name : {"libarrow.so.", "libparquet.so."}) {
      request.preload.push_back(arrow / (std::string(name) + ANOMCTL_ARROW_VERSION));
    }
    open = reinterpret_cast<OpenParquet>(load_module(request));
  }
  return open;
}

}  // namespace

bool is_parquet(const fs::path& file) {
  char head[4] = {};
  const auto bytes = open_bytes(file);
  std::size_t got = 0;
  while (got < 4) {
    const std::size_t n = bytes->read(head + got, 4 - got);
    if (n == 0) return false;
    got += n;
  }
  return std::memcmp(head, "PAR1", 4) == 0;
}

std::unique_ptr<ByteSource> open_table_bytes(const fs::path& file) {
  if (!is_parquet(file)) return open_bytes(file);
  return std::unique_ptr<ByteSource>(load_tables()(kTablesAbi, file.c_str()));
}

}  // namespace anomctl
