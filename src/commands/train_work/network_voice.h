// How loud the network speaks beside the panel. Private to train. Thread rule: free function.
#pragma once

#include "anomctl/detection/replay.h"

namespace anomctl {

// Share of the VAR's squared error on held-out rows that the network's forecast saves, each sensor in units of its own
// residual.
double network_voice(const Bundle& bundle, const HeldOutErrors& errors, const Part& held);

}  // namespace anomctl
