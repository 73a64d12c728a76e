// The log's level, raised while the program runs. Thread rule: safe from any thread.
#pragma once

#include "anomctl/core/log.h"

namespace anomctl {

void raise_log_level(LogLevel least);  // what is below it is left out from now on

}  // namespace anomctl
