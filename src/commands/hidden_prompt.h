// Asks for a password on the terminal. Thread rule: one at a time.
#pragma once

#include <stop_token>
#include <string>

namespace anomctl {

// A line of standard input, which must be a terminal, without showing it; empty at its end. Throws Error(failed) when
// stopped. The terminal is as before in each case.
std::string ask_hidden(const std::string& prompt, std::stop_token stop);

}  // namespace anomctl
