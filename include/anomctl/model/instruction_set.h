// Which of the program's code for several processors runs here: scores are equal to the last bit only where it is the
// same. Thread rule: free function.
#pragma once

#include <string>

namespace anomctl {

// "avx512"; "avx2 of avx512" where ANOMCTL_ISA holds the network back and the panel's relations go on with all there is.
// Throws UsageError as kernels() does.
std::string instruction_set();

}  // namespace anomctl
