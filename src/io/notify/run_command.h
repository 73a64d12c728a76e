// Runs a shell command with bytes on its standard input. Thread rule: a free function; it blocks.
#pragma once

#include <stop_token>
#include <string>

#include "anomctl/core/time.h"

namespace anomctl {

// Empty: it ended with 0. Else what went wrong. After the timeout or a stop it is killed, with all that it started.
std::string run_command(const std::string& command, const std::string& input, Duration timeout, std::stop_token stop);

}  // namespace anomctl
