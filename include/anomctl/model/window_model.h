// A model that looks at a window of rows and says what it expects: the next row (forecast) and the window's own last
// row (reconstruction). Implementations: the native engine (model/), libtorch (mtad_gat/).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "anomctl/core/matrix.h"

namespace anomctl {

struct WindowShape {
  std::size_t window = 0;            // rows a window, w
  std::size_t sensors = 0;           // columns of a row, k
  std::vector<std::size_t> targets;  // the columns that are predicted, o of them; all in order when out_dim == k
};

// Row i belongs to window i. One forward pass gives both; the reconstruction judges the window's last row, the forecast
// the row after it.
struct Expectation {
  Matrix<float> forecast;        // (n, o)
  Matrix<float> reconstruction;  // (n, o): the last reconstructed row
};

class WindowModel {
 public:
  virtual ~WindowModel() = default;
  virtual const WindowShape& shape() const = 0;
  // windows: (n, w, k) scaled values, row-major. Resizes `out` and reuses its memory.
  // Thread rule: may be called from several threads at once, each with its own `out`.
  virtual void expect(std::span<const float> windows, std::size_t n, Expectation& out) const = 0;
  // Windows with the row that is judged, (n, w + 1, k): the forecast of that row from the w rows before it, and its
  // reconstruction from the w rows that end with it. An engine may leave out the half of each pass that nobody reads.
  virtual void expect_judged(std::span<const float> windows, std::size_t n, Expectation& out) const;
  // What computes: "native avx512", "libtorch cpu", "libtorch cuda:0".
  virtual std::string engine() const = 0;
};

}  // namespace anomctl
