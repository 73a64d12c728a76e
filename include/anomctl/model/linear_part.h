// The linear forecast inside MTAD-GAT (MtadGatSettings::linear_rows): a ridge regression of each row on the last rows of
// all sensors, fitted before the training and held there, so that the network learns only what it leaves over; and how
// much of that correction rows bear out that took no part. Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "anomctl/core/matrix.h"
#include "anomctl/model/mtad_gat_settings.h"
#include "anomctl/model/tensors.h"

namespace anomctl {

// Writes "linear_part.*" for the targets of all windows of scaled `rows` (n, k) that begin at `starts`. Inputs are clipped
// 5 standard deviations from their mean. Requires linear_rows > 0 and at least one start.
void fit_linear_part(const MtadGatSettings& settings, const Matrix<float>& rows, std::span<const std::int64_t> starts,
                     TensorMap& weights);

// The same network with nothing but its linear part left of the forecast.
TensorMap linear_part_alone(const MtadGatSettings& settings, TensorMap weights);

// Multiplies the network's correction of each target by a gate in [0, 1] (least squares less two block standard errors).
// All (n, o), of held-out rows: what was forecast with and without the correction, and what came. Returns the share of the
// linear part's squared error that the gated correction explains, each target in units of its own error.
double gate_correction(const MtadGatSettings& settings, const Matrix<float>& corrected, const Matrix<float>& linear,
                       const Matrix<float>& actual, TensorMap& weights);

}  // namespace anomctl
