// The linear panel: three causal members that judge a row at a time, each calibrated to tail probabilities on held-out
// rows, then averaged. Fitted in seconds on normal rows, without libtorch.
//   chart     EWMA chart of the z-scores, largest sensor (Roberts 1959)
//   relation  what each sensor should show given the other sensors now and all sensors' last rows; from the precision
//   matrix of
//             the VAR's residuals (leave-one-out residual = (P e)_i / P_ii), summed over sensors, log1p, EWMA
//   var       vector autoregression by ridge, residuals whitened with a Ledoit-Wolf covariance of held-out rows, log1p,
//   EWMA
// Thread rule: PanelModel is constant once fitted and may be shared; one PanelScorer a stream and thread.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/json.h"
#include "anomctl/core/matrix.h"
#include "anomctl/core/row.h"

namespace anomctl {

struct PanelSettings {
  std::int64_t lags = 3;      // past rows that the VAR sees
  double ridge = 0.01;        // penalty a row, in units of the z-scored inputs
  double clip = 5;            // inputs are clipped here, in standard deviations; residuals are not
  double chart_lambda = 0.1;  // EWMA weights of the newest row
  double relation_lambda = 0.2;
  double var_lambda = 0.1;
  double residual_floor = 0.01;  // least residual deviation, in standard deviations of the sensor
  double holdout = 0.2;          // last share of the rows, kept from the first fit for covariance and calibration

  static void fields(auto& self, auto&& field) {
    field("panel_lags", self.lags, "past rows that the panel's regression sees", Between{1, 32});
    field("panel_ridge", self.ridge, "ridge penalty a row of the panel's regression", Between{0, 1000});
    field("panel_clip", self.clip, "inputs of the panel are clipped here, in standard deviations", Between{1, 100});
    field("panel_chart_lambda", self.chart_lambda, "weight of the newest row in the EWMA chart", Between{0.001, 1});
    field("panel_relation_lambda", self.relation_lambda, "weight of the newest row in the relation member",
          Between{0.001, 1});
    field("panel_var_lambda", self.var_lambda, "weight of the newest row in the VAR member", Between{0.001, 1});
    field("panel_residual_floor", self.residual_floor, "least deviation of a residual, in deviations of the sensor",
          Between{1e-6, 1});
    field("panel_holdout", self.holdout, "share of the train rows that calibrates the panel", Between{0.05, 0.5});
  }
};

// Empirical tail of a score, exponential beyond the 98 % quantile.
struct TailCurve {
  std::vector<double> sample;  // ascending, at most 1024 evenly spaced order statistics
  double knee = 0;             // the 98 % quantile
  double mean_excess = 1;      // over the knee
  static TailCurve fit(std::vector<double> scores);
  // -log10 of the probability of a normal row scoring at least x; finite for every finite x.
  double surprise(double x) const;
};

inline constexpr std::size_t kPanelMembers = 3;
inline constexpr std::array<const char*, kPanelMembers> kPanelMemberNames = {"chart", "relation", "var"};

struct PanelModel {
  PanelSettings settings;
  std::vector<double> mean, deviation;  // k, of the train rows; deviation 1 where a column is constant
  Matrix<double> coefficients;          // (k * lags + 1, k): rows lag 1 sensors, lag 2 sensors, ..., intercept
  std::vector<double> residual_scale;   // k
  Matrix<double> precision;             // (k, k), of the scaled residuals
  std::array<TailCurve, kPanelMembers> tails;

  std::size_t sensors() const { return mean.size(); }
  Json to_json() const;
  static PanelModel from_json(const Json& json);  // checks every size; throws Error(bad_input)
};

// rows: (n, k) in the sensors' units, NaN = missing. Rows with use[r] == 0 are left out of every fit (empty: all are
// used). Requires runs that cover the rows. Throws Error(bad_input) with fewer than 30 usable rows.
PanelModel fit_panel(const Matrix<double>& rows, std::span<const RowRange> runs, std::span<const std::uint8_t> use,
                     const PanelSettings& settings);

// What the panel says of one row.
struct PanelOpinion {
  double score = 0;                         // mean of the members' surprises, -log10 probability
  std::array<double, kPanelMembers> raw{};  // the members' own scores
  std::array<double, kPanelMembers> surprise{};
  std::vector<double> share;     // k, sums to 1: each sensor's part in the score
  std::vector<double> expected;  // k, in the sensor's unit: given the other sensors and the last rows
};

class PanelScorer {
 public:
  explicit PanelScorer(std::shared_ptr<const PanelModel> model);
  // The next row starts a new run.
  void restart();
  // False for the first `lags` rows of a run: `out` is unchanged. row: k values in the sensors' units, NaN = missing
  // (the last value is held as input and the sensor takes no part in this row's score).
  bool push(std::span<const double> row, PanelOpinion& out);
  // All state between rows as numbers, for snapshots.
  std::vector<double> state() const;
  void restore(std::span<const double> state);

 private:
  void residuals(std::span<const double> row);
  void attribute(PanelOpinion& out) const;

  std::shared_ptr<const PanelModel> model_;
  std::size_t seen_ = 0;                            // rows since the last restart, counted up to lags + 1
  std::vector<double> past_;                        // (lags, k) clipped z-scores, newest first
  std::vector<double> chart_;                       // k, EWMA of z
  double relation_ = 0, var_ = 0;                   // smoothed log scores
  std::vector<double> relation_share_, var_share_;  // k, smoothed parts
  // Of the row at hand:
  std::vector<double> z_, residual_, whitened_;  // k: z-score, scaled residual e, P e
  std::vector<std::uint8_t> missing_;
};

}  // namespace anomctl
