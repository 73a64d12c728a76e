// Where libtorch lies, without loading it. Thread rule: free function.
#pragma once

#include "anomctl/core/files.h"

namespace anomctl {

// The file libtorch_cpu.so: in $ANOMCTL_LIBTORCH (the folder, or its lib/), else in the torch wheel of scripts/setup's
// prefix or of the active virtual environment; empty when there is none.
fs::path find_libtorch();

}  // namespace anomctl
