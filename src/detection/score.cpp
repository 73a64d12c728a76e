#include "anomctl/detection/score.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/model/whitening.h"

namespace anomctl {
namespace {

constexpr double kLargestError = 1e6;  // in spreads: squares stay finite
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Moments {
  double mean = 0, deviation = 0;
};

// Of |expected - actual| in one column; rows that are not finite are left out.
Moments error_moments(const Matrix<float>& expected, const Matrix<float>& actual, std::size_t column) {
  double n = 0, mean = 0, sum_of_squares = 0;  // Welford
  for (std::size_t r = 0; r < actual.rows(); ++r) {
    const double error = std::abs(static_cast<double>(expected(r, column)) - static_cast<double>(actual(r, column)));
    if (!std::isfinite(error)) continue;
    n += 1;
    const double delta = error - mean;
    mean += delta / n;
    sum_of_squares += delta * (error - mean);
  }
  return {mean, n > 1 ? std::sqrt(sum_of_squares / n) : 0};
}

bool is_smooth(const ScoreSettings& settings) { return settings.kind != "reference"; }

void whitened_contributions(const ScoreSettings& settings, std::span<const float> forecast,
                            std::span<const float> actual, std::span<const std::uint8_t> missing,
                            std::span<double> contribution) {
  static thread_local std::vector<double> error;
  const std::size_t o = actual.size();
  error.assign(o, 0);
  for (std::size_t i = 0; i < o; ++i) {
    const double e = static_cast<double>(actual[i]) - static_cast<double>(forecast[i]);
    const bool takes_part = (missing.empty() || missing[i] == 0) && std::isfinite(e);
    contribution[i] = takes_part ? 0 : kNaN;
    if (takes_part)
      error[i] =
          std::clamp((e - settings.forecast_center[i]) / settings.forecast_spread[i], -kLargestError, kLargestError);
  }
  for (std::size_t i = 0; i < o; ++i) {
    if (std::isnan(contribution[i])) continue;
    const auto row = settings.whitening.row(i);
    double sum = 0;
    for (std::size_t j = 0; j < o; ++j) sum += row[j] * error[j];
    contribution[i] = sum * sum;
  }
}

// Mean, spread and covariance of the forecast's errors.
void fit_whitening(ScoreSettings& settings, const HeldOutErrors& errors, double floor) {
  const std::size_t n = errors.actual.rows(), o = errors.actual.cols();
  Matrix<double> e(n, o);
  settings.forecast_center.assign(o, 0);
  settings.forecast_spread.assign(o, 0);
  for (std::size_t i = 0; i < o; ++i) {
    double mean = 0, square = 0;
    for (std::size_t r = 0; r < n; ++r) {
      e(r, i) = static_cast<double>(errors.actual(r, i)) - static_cast<double>(errors.forecast(r, i));
      mean += e(r, i) / static_cast<double>(n);
    }
    for (std::size_t r = 0; r < n; ++r) square += (e(r, i) - mean) * (e(r, i) - mean) / static_cast<double>(n);
    settings.forecast_center[i] = mean;
    settings.forecast_spread[i] = std::max(std::sqrt(square), floor);
    for (std::size_t r = 0; r < n; ++r) e(r, i) = (e(r, i) - mean) / settings.forecast_spread[i];
  }
  settings.whitening = whitening_matrix(e);
}

double mean_total(const ScoreSettings& settings, const HeldOutErrors& errors) {
  std::vector<double> parts(errors.actual.cols());
  double sum = 0, n = 0;
  for (std::size_t r = 0; r < errors.actual.rows(); ++r) {
    contributions(settings, errors.forecast.row(r), errors.reconstruction.row(r), errors.actual.row(r), {}, parts);
    const double total = total_score(settings, parts);
    if (!std::isfinite(total)) continue;
    sum += total;
    ++n;
  }
  return n > 0 ? sum / n : 0;
}

std::vector<double> checked(const Json& json, const char* key, std::size_t wanted, bool positive) {
  std::vector<double> values = doubles(json.at(key));
  if (values.size() != wanted) {
    throw input_error(fmt::format("score.{} has {} numbers, the sensors that the model predicts take {}", key,
                                  values.size(), wanted));
  }
  for (const double v : values) {
    if (!std::isfinite(v) || (positive && v <= 0)) throw input_error(fmt::format("score.{} holds {}", key, v));
  }
  return values;
}

}  // namespace

ScoreSettings ScoreSettings::reference(double gamma) {
  ScoreSettings settings;
  settings.kind = "reference";
  settings.gamma = gamma;
  settings.smoothing = 0;
  return settings;
}

Json ScoreSettings::to_json() const {
  Json json = Json::object();
  json["kind"] = kind;
  json["gamma"] = gamma;
  json["smoothing"] = smoothing;
  if (usual) json["usual"] = *usual;
  if (kind != "reference") {
    json["forecast_center"] = forecast_center;
    json["forecast_spread"] = forecast_spread;
  }
  if (kind == "whitened") json["whitening"] = std::vector<double>(whitening.values().begin(), whitening.values().end());
  if (kind == "normalised") {
    json["clip"] = clip;
    json["reconstruction_center"] = reconstruction_center;
    json["reconstruction_spread"] = reconstruction_spread;
  }
  return json;
}

ScoreSettings ScoreSettings::from_json(const Json& json, std::size_t targets) {
  ScoreSettings settings;
  settings.kind = json.at("kind").as_string();
  if (settings.kind != "reference" && settings.kind != "normalised" && settings.kind != "whitened") {
    throw input_error(fmt::format("score.kind is '{}', known are whitened, normalised and reference", settings.kind));
  }
  settings.gamma = json.at("gamma").as_double();
  settings.smoothing = json.at("smoothing").as_double();
  if (!(settings.gamma >= 0) || !std::isfinite(settings.gamma))
    throw input_error(fmt::format("score.gamma is {}", settings.gamma));
  if (!(settings.smoothing >= 0 && settings.smoothing <= 1)) {
    throw input_error(fmt::format("score.smoothing is {}, it lies between 0 and 1", settings.smoothing));
  }
  if (const Json* usual = json.find("usual"); usual != nullptr && !usual->is_null()) {
    settings.usual = usual->as_double();
    if (!std::isfinite(*settings.usual)) throw input_error(fmt::format("score.usual is {}", *settings.usual));
  }
  if (is_smooth(settings)) {
    settings.forecast_center = checked(json, "forecast_center", targets, false);
    settings.forecast_spread = checked(json, "forecast_spread", targets, true);
  }
  if (settings.kind == "whitened") {
    const std::vector<double> values = checked(json, "whitening", targets * targets, false);
    settings.whitening = Matrix<double>(targets, targets);
    std::copy(values.begin(), values.end(), settings.whitening.data());
  }
  if (settings.kind == "normalised") {
    settings.clip = json.at("clip").as_double();
    if (!(settings.clip > 0)) throw input_error(fmt::format("score.clip is {}", settings.clip));
    settings.reconstruction_center = checked(json, "reconstruction_center", targets, false);
    settings.reconstruction_spread = checked(json, "reconstruction_spread", targets, true);
  }
  return settings;
}

void contributions(const ScoreSettings& settings, std::span<const float> forecast,
                   std::span<const float> reconstruction, std::span<const float> actual,
                   std::span<const std::uint8_t> missing, std::span<double> contribution) {
  if (settings.kind == "whitened") return whitened_contributions(settings, forecast, actual, missing, contribution);
  const bool normalised = settings.kind == "normalised";
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double x = static_cast<double>(actual[i]);
    double f = std::abs(static_cast<double>(forecast[i]) - x);
    double r = std::abs(static_cast<double>(reconstruction[i]) - x);
    if ((!missing.empty() && missing[i] != 0) || !std::isfinite(f) || !std::isfinite(r)) {
      contribution[i] = kNaN;
      continue;
    }
    if (normalised) {
      f = std::clamp((f - settings.forecast_center[i]) / settings.forecast_spread[i], 0.0, settings.clip);
      r = std::clamp((r - settings.reconstruction_center[i]) / settings.reconstruction_spread[i], 0.0, settings.clip);
    }
    contribution[i] = (f + settings.gamma * r) / (1 + settings.gamma);
  }
}

double total_score(const ScoreSettings& settings, std::span<const double> contribution) {
  double sum = 0;
  std::size_t present = 0;
  for (const double c : contribution) {
    if (std::isnan(c)) continue;
    sum += c;
    ++present;
  }
  if (present == 0) return kNaN;
  if (present < contribution.size()) sum *= static_cast<double>(contribution.size()) / static_cast<double>(present);
  return is_smooth(settings) ? std::log1p(sum) : sum;
}

ScoreSettings fit_score(ScoreSettings settings, const HeldOutErrors& errors, double floor) {
  if (settings.kind == "reference") return settings;
  if (errors.actual.rows() < 2) {
    throw input_error(
        fmt::format("the score is fitted on held-out rows, and there are {}: give more rows or --score-kind reference",
                    errors.actual.rows()));
  }
  const std::size_t targets = errors.actual.cols();
  if (settings.kind == "whitened") {
    fit_whitening(settings, errors, floor);
    settings.usual = mean_total(settings, errors);
    return settings;
  }
  const auto fit = [&](const Matrix<float>& expected, std::vector<double>& center, std::vector<double>& spread) {
    center.resize(targets);
    spread.resize(targets);
    for (std::size_t i = 0; i < targets; ++i) {
      const Moments moments = error_moments(expected, errors.actual, i);
      center[i] = moments.mean;
      spread[i] = std::max(moments.deviation, floor);
    }
  };
  fit(errors.forecast, settings.forecast_center, settings.forecast_spread);
  fit(errors.reconstruction, settings.reconstruction_center, settings.reconstruction_spread);
  settings.usual = mean_total(settings, errors);
  return settings;
}

Smoothing::Smoothing(double lambda, std::size_t targets, std::optional<double> usual)
    : keep_(lambda > 0 ? 1 - lambda : 0), usual_(usual), contribution_(targets, 0.0) {
  restart();
}

void Smoothing::restart() {
  weight_ = usual_ && keep_ > 0 ? 1 / (1 - keep_) : 0;  // what it tends to
  total_ = weight_ * usual_.value_or(0);
  std::fill(contribution_.begin(), contribution_.end(), 0.0);
}

void Smoothing::push(double total, std::span<const double> contribution) {
  total_ = keep_ * total_ + total;
  weight_ = keep_ * weight_ + 1;
  for (std::size_t i = 0; i < contribution_.size(); ++i) {
    if (!std::isnan(contribution[i]))
      contribution_[i] = keep_ * contribution_[i] + contribution[i];
    else if (keep_ == 0)
      contribution_[i] = 0;
  }
}

void Smoothing::restore(const Numbers& numbers) {
  total_ = numbers.total;
  weight_ = numbers.weight;
  contribution_ = numbers.contribution;
}

}  // namespace anomctl
