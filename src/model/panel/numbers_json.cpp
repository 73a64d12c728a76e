#include "model/panel/numbers_json.h"

#include <fmt/core.h>

#include <cmath>

#include "anomctl/core/error.h"

namespace anomctl {

Json json_of(const Matrix<double>& m) {
  Json rows = Json::array();
  for (std::size_t r = 0; r < m.rows(); ++r)
    rows.push_back(Json(std::vector<double>(m.row(r).begin(), m.row(r).end())));
  return rows;
}

std::vector<double> finite(const Json& array, std::size_t size, const char* what) {
  std::vector<double> out = doubles(array);
  if (out.size() != size)
    throw input_error(fmt::format("panel: {} has {} numbers, {} are needed", what, out.size(), size));
  for (const double v : out) {
    if (!std::isfinite(v)) throw input_error(fmt::format("panel: {} holds a number that is not finite", what));
  }
  return out;
}

Matrix<double> matrix_from(const Json& rows, std::size_t n, std::size_t k, const char* what) {
  if (rows.as_array().size() != n)
    throw input_error(fmt::format("panel: {} has {} rows, {} are needed", what, rows.size(), n));
  Matrix<double> m;
  for (const Json& row : rows.as_array()) m.append_row(finite(row, k, what));
  return m;
}

std::vector<double> positive(std::vector<double> values, const char* what) {
  for (const double v : values) {
    if (!(v > 0)) throw input_error(fmt::format("panel: {} must be above zero", what));
  }
  return values;
}

}  // namespace anomctl
