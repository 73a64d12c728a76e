// The training losses (srigas/MTAD-GAT-mlflow, Handler.pass_epoch; ML4ITS/mtad-gat-pytorch, Trainer.fit).
#pragma once

#include <ATen/ATen.h>

#include "anomctl/model/mtad_gat_settings.h"
#include "mtad_gat/tensor_backend.h"

namespace anomctl {

struct Losses {
  at::Tensor forecast, reconstruction;  // scalars
};

// The chosen columns of the last dimension. Not index_select: its index would be copied to the device each step, which
// waits for it.
inline at::Tensor columns_of(const at::Tensor& t, const std::vector<std::int64_t>& columns) {
  std::vector<at::Tensor> chosen;
  for (const std::int64_t c : columns) chosen.push_back(t.select(-1, c));
  return at::stack(chosen, -1);
}

// Mean squared errors. x: (b, w, k), y: (b, k). aligned: the reconstruction of x against x, one pass. Else, as the
// reference: the reconstruction of the window one row later against x.
inline Losses mtad_gat_squared_errors(TensorBackend& be, const MtadGatSettings& s, const at::Tensor& x,
                                      const at::Tensor& y, bool aligned) {
  const std::int64_t b = x.size(0);
  const at::Tensor input = aligned ? x : at::cat({x, at::cat({x.narrow(1, 1, x.size(1) - 1), y.unsqueeze(1)}, 1)}, 0);
  const at::Tensor h_end = mtad_gat_encode(be, s, input).h_end;                    // (b or 2b, h)
  const at::Tensor forecast = mtad_gat_forecast(be, s, h_end.narrow(0, 0, b), x);  // (b, o)
  const at::Tensor rebuilt = mtad_gat_reconstruct(be, s, aligned ? h_end : h_end.narrow(0, b, b), false);  // (b, w, o)
  at::Tensor target_y = y, target_x = x;
  if (!s.target_dims.empty()) {
    target_y = columns_of(y, s.target_dims);
    target_x = columns_of(x, s.target_dims);
  } else if (forecast.size(1) < y.size(1)) {
    target_y = y.narrow(1, 0, forecast.size(1));
    target_x = x.narrow(2, 0, forecast.size(1));
  }
  return {at::mse_loss(forecast, target_y), at::mse_loss(rebuilt, target_x)};
}

// Their roots: what is trained on. `epsilon` is added below the roots: their gradient at 0 is not finite.
inline Losses mtad_gat_losses(TensorBackend& be, const MtadGatSettings& s, const at::Tensor& x, const at::Tensor& y,
                              bool aligned, double epsilon) {
  const Losses squared = mtad_gat_squared_errors(be, s, x, y, aligned);
  return {at::sqrt(squared.forecast + epsilon), at::sqrt(squared.reconstruction + epsilon)};
}

}  // namespace anomctl
