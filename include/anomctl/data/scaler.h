// Scaling of columns, fitted on train rows only. A column that is constant there is only shifted. Thread rule: a value.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/core/matrix.h"

namespace anomctl {

class Scaler {
 public:
  enum class Kind { none, minmax, standard };
  Scaler() = default;
  static Scaler none(std::size_t columns);
  // Rows with `use[r] == 0` and NaN cells are left out; an empty `use` takes all rows.
  static Scaler fit(Kind kind, const Matrix<double>& rows, std::span<const std::uint8_t> use = {});
  static Kind parse_kind(const std::string& text);  // "none" | "minmax" | "standard", throws UsageError

  Kind kind() const { return kind_; }
  std::size_t columns() const { return shift_.size(); }
  // scaled = (value - shift) / scale
  void apply(std::span<const double> row, std::span<float> scaled) const;
  double scale_value(std::size_t column, double value) const;
  double unscale_value(std::size_t column, double scaled) const;
  double scale(std::size_t column) const { return scale_[column]; }

  // {"kind":"minmax","min":[...],"max":[...]} | {"kind":"standard","mean":[...],"std":[...]} | {"kind":"none"}
  Json to_json() const;
  static Scaler from_json(const Json& json, std::size_t columns);

 private:
  Kind kind_ = Kind::none;
  std::vector<double> shift_, scale_;
  std::vector<double> spread_;  // as fitted: 0 where the column is constant and scale_ is 1
};

}  // namespace anomctl
