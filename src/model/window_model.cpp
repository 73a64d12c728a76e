#include "anomctl/model/window_model.h"

#include <algorithm>

namespace anomctl {

void WindowModel::expect_judged(std::span<const float> windows, std::size_t n, Expectation& out) const {
  const std::size_t k = shape().sensors, size = shape().window * k;
  std::vector<float> passes(2 * n * size);
  for (std::size_t i = 0; i < n; ++i) {
    const float* first = windows.data() + i * (size + k);
    std::copy_n(first, size, passes.data() + i * size);
    std::copy_n(first + k, size, passes.data() + (n + i) * size);
  }
  Expectation both;
  expect(passes, 2 * n, both);
  out.forecast = Matrix<float>(n, both.forecast.cols());
  out.reconstruction = Matrix<float>(n, both.reconstruction.cols());
  for (std::size_t i = 0; i < n; ++i) {
    std::copy_n(both.forecast.row(i).begin(), out.forecast.cols(), out.forecast.row(i).begin());
    std::copy_n(both.reconstruction.row(n + i).begin(), out.reconstruction.cols(), out.reconstruction.row(i).begin());
  }
}

}  // namespace anomctl
