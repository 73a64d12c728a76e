// The windows of a series that lies on the device, as a view: nothing is copied but a batch, and nothing waits for the
// device. Thread rule: const.
#pragma once

#include <ATen/ATen.h>

#include <span>
#include <utility>

#include "anomctl/core/matrix.h"

namespace anomctl {

class SeriesWindows {
 public:
  SeriesWindows(const Matrix<float>& rows, std::int64_t window, const at::Device& device) : window_(window) {
    const at::Tensor all =
        at::from_blob(const_cast<float*>(rows.data()),
                      {static_cast<std::int64_t>(rows.rows()), static_cast<std::int64_t>(rows.cols())}, at::kFloat);
    view_ = all.to(device, at::kFloat, false, true).unfold(0, window + 1, 1);  // (n - w, k, w + 1)
  }
  // First rows of windows, copied to the device: once an epoch, for such a copy waits for the device.
  at::Tensor starts(std::span<const std::int64_t> first) const {
    return at::from_blob(const_cast<std::int64_t*>(first.data()), {static_cast<std::int64_t>(first.size())}, at::kLong)
        .to(view_.device(), at::kLong, false, true);
  }
  // x: (b, w, k), y: (b, k)
  std::pair<at::Tensor, at::Tensor> batch(const at::Tensor& starts) const {
    const at::Tensor all = view_.index_select(0, starts).transpose(1, 2).contiguous();  // (b, w + 1, k)
    return {all.narrow(1, 0, window_), all.select(1, window_)};
  }

 private:
  std::int64_t window_;
  at::Tensor view_;
};

}  // namespace anomctl
