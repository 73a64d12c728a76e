// The settings of one command inside another, as `up` and `retrain` run several: from the command's table in the settings
// file and the environment. Thread rule: free function.
#pragma once

#include <string>

#include "anomctl/core/config.h"

namespace anomctl {

// O has fields(). Throws UsageError.
template <class O>
O settings_of(const std::string& command, const TomlFile& file) {
  O options;
  resolve(describe(options), {command, &file, process_environment(), {}});
  return options;
}

}  // namespace anomctl
