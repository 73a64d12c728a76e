// The one entry of libanomctl-torch.so.
#pragma once

#include "anomctl/model/training.h"

namespace anomctl {
// Raised whenever training.h, window_model.h, tensors.h or mtad_gat_settings.h change in a way that old binaries would
// misread.
inline constexpr int kTrainerAbi = 4;
}  // namespace anomctl

// The module's trainer, or null when `abi` is not the module's own. The object lives as long as the process.
extern "C" __attribute__((visibility("default"))) anomctl::Trainer* anomctl_torch_module(int abi);
