// Shared objects loaded on first use, so that libtorch and Arrow cost nothing where they are not needed.
// Thread rule: load from one thread at a time; a loaded module stays for the life of the process.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/files.h"

namespace anomctl {

struct ModuleRequest {
  std::string file_name;          // "libanomctl-torch.so"
  std::string entry_symbol;       // extern "C" function
  std::string purpose;            // "training", for the message when it is missing
  std::vector<fs::path> preload;  // libraries opened first, RTLD_GLOBAL, in this order
};
// The entry symbol's address. Looks in $ANOMCTL_MODULE_DIR, beside the executable and in <prefix>/lib/anomctl/modules.
// Throws Error(failed) saying where it looked and how to get it.
void* load_module(const ModuleRequest& request);
// The file that load_module would open; empty when there is none.
fs::path find_module(const std::string& file_name);
fs::path executable_path();

}  // namespace anomctl
