#include "anomctl/data/scaler.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

// A column that does not move is only shifted: its scale would be a division by zero, or by rounding noise.
double safe_scale(double spread) { return spread > 0 && std::isfinite(spread) ? spread : 1; }

}  // namespace

Scaler Scaler::none(std::size_t columns) {
  Scaler scaler;
  scaler.shift_.assign(columns, 0);
  scaler.spread_.assign(columns, 1);
  scaler.scale_.assign(columns, 1);
  return scaler;
}

Scaler Scaler::fit(Kind kind, const Matrix<double>& rows, std::span<const std::uint8_t> use) {
  const std::size_t k = rows.cols();
  Scaler scaler = none(k);
  scaler.kind_ = kind;
  if (kind == Kind::none) return scaler;
  constexpr double inf = std::numeric_limits<double>::infinity();
  std::vector<double> low(k, inf), high(k, -inf), mean(k, 0), squares(k, 0), count(k, 0);
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    if (!use.empty() && use[r] == 0) continue;
    for (std::size_t c = 0; c < k; ++c) {
      const double value = rows(r, c);
      if (!std::isfinite(value)) continue;
      low[c] = std::min(low[c], value);
      high[c] = std::max(high[c], value);
      count[c] += 1;
      const double from_mean = value - mean[c];
      mean[c] += from_mean / count[c];
      squares[c] += from_mean * (value - mean[c]);
    }
  }
  for (std::size_t c = 0; c < k; ++c) {
    if (count[c] == 0) {
      scaler.spread_[c] = 0;
      continue;
    }
    const bool constant = low[c] == high[c];
    scaler.shift_[c] = kind == Kind::minmax || constant ? low[c] : mean[c];
    scaler.spread_[c] = constant ? 0 : kind == Kind::minmax ? high[c] - low[c] : std::sqrt(squares[c] / count[c]);
    scaler.scale_[c] = safe_scale(scaler.spread_[c]);
  }
  return scaler;
}

Scaler::Kind Scaler::parse_kind(const std::string& text) {
  if (text == "none") return Kind::none;
  if (text == "minmax") return Kind::minmax;
  if (text == "standard") return Kind::standard;
  throw UsageError(fmt::format("scaler '{}' is unknown: use none, minmax or standard", text));
}

void Scaler::apply(std::span<const double> row, std::span<float> scaled) const {
  for (std::size_t c = 0; c < shift_.size(); ++c) scaled[c] = static_cast<float>((row[c] - shift_[c]) / scale_[c]);
}

double Scaler::scale_value(std::size_t column, double value) const { return (value - shift_[column]) / scale_[column]; }

double Scaler::unscale_value(std::size_t column, double scaled) const {
  return scaled * scale_[column] + shift_[column];
}

Json Scaler::to_json() const {
  Json json = Json::object();
  if (kind_ == Kind::none) {
    json["kind"] = "none";
    return json;
  }
  const bool minmax = kind_ == Kind::minmax;
  json["kind"] = minmax ? "minmax" : "standard";
  json[minmax ? "min" : "mean"] = Json(shift_);
  if (!minmax) {
    json["std"] = Json(spread_);
    return json;
  }
  std::vector<double> high(shift_.size());
  for (std::size_t c = 0; c < high.size(); ++c) high[c] = shift_[c] + spread_[c];
  json["max"] = Json(high);
  json["range"] = Json(spread_);  // exact where min and max would lose digits
  return json;
}

Scaler Scaler::from_json(const Json& json, std::size_t columns) {
  Scaler scaler = none(columns);
  scaler.kind_ = parse_kind(json.at("kind").as_string());
  if (scaler.kind_ == Kind::none) return scaler;
  const bool minmax = scaler.kind_ == Kind::minmax;
  scaler.shift_ = doubles(json.at(minmax ? "min" : "mean"));
  std::vector<double> upper = doubles(json.at(minmax ? "max" : "std"));
  if (scaler.shift_.size() != columns || upper.size() != columns) {
    throw input_error(
        fmt::format("scaler: {} and {} values for {} columns", scaler.shift_.size(), upper.size(), columns));
  }
  if (minmax && json.find("range") != nullptr) {
    upper = doubles(json.at("range"));
    if (upper.size() != columns)
      throw input_error(fmt::format("scaler: {} ranges for {} columns", upper.size(), columns));
  } else if (minmax) {
    for (std::size_t c = 0; c < columns; ++c) upper[c] -= scaler.shift_[c];
  }
  for (std::size_t c = 0; c < columns; ++c) {
    if (!std::isfinite(scaler.shift_[c]) || !std::isfinite(upper[c]) || upper[c] < 0) {
      throw input_error(fmt::format("scaler: column {} has no usable range", c));
    }
    scaler.spread_[c] = upper[c];
    scaler.scale_[c] = safe_scale(upper[c]);
  }
  return scaler;
}

}  // namespace anomctl
