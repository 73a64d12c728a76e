// MTAD-GAT on the CPU without libtorch.
#pragma once

#include <memory>

#include "anomctl/kernels/kernels.h"
#include "anomctl/model/mtad_gat_settings.h"
#include "anomctl/model/tensors.h"
#include "anomctl/model/window_model.h"

namespace anomctl {

struct NativeModelOptions {
  int threads = 1;                   // of one call; a window's result does not depend on it
  const Kernels* kernels = nullptr;  // null: the widest that this CPU runs
};

// Throws Error(bad_input) for a weight that is missing, has another shape or is not known.
std::shared_ptr<const WindowModel> make_native_model(const MtadGatSettings& settings, const TensorMap& weights,
                                                     const NativeModelOptions& options = {});

// The forward pass with everything in between, for tests: batch-major, unpadded.
struct NativeTrace {
  std::vector<float> conv, h_feat, h_temp;  // (b, w, k)
  std::vector<float> h_end;                 // (b, h)
  std::vector<float> forecast;              // (b, o)
  std::vector<float> reconstruction;        // (b, w, o)
};
NativeTrace trace_native_model(const MtadGatSettings& settings, const TensorMap& weights,
                               std::span<const float> windows, std::size_t batch,
                               const NativeModelOptions& options = {});

// Throws Error(bad_input) naming the first weight that does not fit the settings.
void check_weights(const MtadGatSettings& settings, const TensorMap& weights);

}  // namespace anomctl
