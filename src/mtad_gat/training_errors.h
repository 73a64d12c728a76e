// What goes wrong in a training, in words. Thread rule: free functions.
#pragma once

#include <exception>
#include <string>

#include "anomctl/model/training.h"

namespace anomctl {

// "column 'a', whose scaled values reach 1e+30": the most likely cause of a loss that is not finite.
std::string suspect_column(const TrainingInput& input);
// libtorch's exception as an Error: out of memory (with the step to take), a driver that does not fit, or its first line.
[[noreturn]] void translate(const std::exception& e, const TrainerOptions& options);

}  // namespace anomctl
