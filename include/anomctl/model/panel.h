// The linear panel: three causal members that judge a row at a time, each calibrated to tail probabilities, then
// averaged. Fitted in seconds on normal rows, without libtorch.
//   chart     EWMA chart of the z-scores, largest sensor (Roberts 1959)
//   relation  what each sensor should show given the other sensors now and all sensors' last rows, from the precision
//             matrix of the VAR's residuals (leave-one-out residual = (P e)_i / P_ii); summed over sensors, log1p, EWMA
//   var       vector autoregression by ridge, residuals whitened with a Ledoit-Wolf covariance of held-out rows, log1p,
//             EWMA
// A fourth, the relation network, sees the other sensors only and speaks with the weight that its held-out rows gave it
// (relation_network.h): the share of error that it explains beyond a linear relation; at 0 it is not run. Thread rule:
// PanelModel is constant once fitted and may be shared; one PanelScorer a stream and thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/json.h"
#include "anomctl/core/matrix.h"
#include "anomctl/core/row.h"
#include "anomctl/model/others_ridge.h"
#include "anomctl/model/panel_memory.h"
#include "anomctl/model/relation_network.h"

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

// The relation network as a member: what a linear relation to the other sensors and the network's gated correction leave
// over, whitened, log1p, EWMA, calibrated.
struct NetworkMember {
  OthersRidge linear;
  RelationNetwork network;
  double weight = 0;         // in the panel: what the network explains
  Matrix<double> precision;  // (k, k), of the corrected residuals on held-out rows
  TailCurve tail;
};

struct PanelModel : PanelVoices {
  PanelSettings settings;
  std::vector<double> deviation;                 // k, of the train rows; 1 where a column is constant
  Matrix<double> coefficients;                   // (k * lags + 1, k): rows lag 1 sensors, lag 2 sensors, ..., intercept
  std::vector<double> residual_scale;            // k
  Matrix<double> precision;                      // (k, k), of the scaled residuals
  std::shared_ptr<const NetworkMember> network;  // null where it explains nothing

  std::size_t sensors() const { return mean.size(); }
  void take_settings(const PanelSettings& chosen);
  void take_network(std::shared_ptr<const NetworkMember> member);  // null: none
  // Everything but the network's parameters, which `network_values` gives (empty without a network).
  Json to_json() const;
  Tensor network_values() const;
  static PanelModel from_json(const Json& json,
                              const Tensor& network_values = {});  // checks every size; throws Error(bad_input)
};

// rows: (n, k) in the sensors' units, NaN = missing. Rows with use[r] == 0 are left out of every fit (empty: all are
// used). Requires runs that cover the rows. Throws Error(bad_input) with fewer than 30 usable rows.
PanelModel fit_panel(const Matrix<double>& rows, std::span<const RowRange> runs, std::span<const std::uint8_t> use,
                     const PanelSettings& settings);
// Trains the relation network on what a linear relation to the other sensors leaves over and makes it a member when it
// has a voice. Returns what was trained either way.
RelationNetwork fit_network_member(PanelModel& panel, const Matrix<double>& rows, std::span<const RowRange> runs,
                                   std::span<const std::uint8_t> use, const RelationSettings& settings);
// "explains 88 % of what linear relations leave over" or "finds nothing beyond linear relations: it stays silent".
std::string describe_voice(const RelationNetwork& network);

class PanelScorer {
 public:
  explicit PanelScorer(std::shared_ptr<const PanelModel> model, std::int64_t healthy_start = 0);  // see PanelMemory
  // The next row starts a new run.
  void restart();
  // False for the first `warm_up` rows of a run: `out` is unchanged. row: k values in the sensors' units, NaN = missing
  // (the last value is held as input, and where it was held in all rows that are looked back at, what the other sensors
  // make most likely; the sensor takes no part in this row's score).
  bool push(std::span<const double> row, PanelOpinion& out) { return push(row, {}, out); }
  // The same with k flags of the sensors whose value in `row` only stands in for one that is missing.
  bool push(std::span<const double> row, std::span<const std::uint8_t> missing, PanelOpinion& out);
  // What a sensor has shown so far says nothing: it is broken.
  void forget(std::size_t sensor) { memory_.forget(sensor); }
  // Of the last row pushed; but for `z` only where it was judged.
  const PanelParts& parts() const { return parts_; }
  // The clipped z-scores of the last row pushed.
  std::span<const double> newest_input() const { return std::span(past_).first(model_->sensors()); }
  // The VAR's residual of a sensor in the last row pushed, in the sensor's unit.
  double var_residual(std::size_t sensor) const;
  // All state between rows as numbers, for snapshots.
  std::vector<double> state() const;
  void restore(std::span<const double> state);

 private:
  void take_in(std::span<const double> row, std::span<const std::uint8_t> missing);
  void predict();
  void stand_in();
  void prepare_stand_in();
  void linear_parts();
  void network_parts();
  void expectation();

  std::shared_ptr<const PanelModel> model_;
  PanelMemory memory_;
  std::vector<double> past_;  // (warm_up, k) clipped z-scores, newest first
  // Of the row at hand:
  PanelParts parts_;
  std::vector<double> residual_, whitened_;  // k: scaled residual e, P e
  std::vector<double> recent_, left_over_;   // with a network: (l, k) inputs, newest first; k: what it leaves over
  std::vector<std::uint8_t> missing_;
  std::vector<double> newest_;  // k, z-scores with last values where one is missing
  std::vector<double> inputs_;  // (warm_up, k), past_ with what stands in
  // What stands in for sensors without a value, as long as they are the same ones:
  struct StandIn {
    std::vector<std::uint8_t> missing, stale;  // k; stale: its last value is as old as all inputs
    std::vector<std::size_t> sensors, inputs;  // where the flags are set
    Matrix<double> effects;                    // (stale, k), of such an input on the residuals
    Matrix<double> gain, network_gain;         // see stand_in_gain
  };
  StandIn stand_in_;
  std::vector<std::uint8_t> stale_;
  std::vector<double> known_;  // k, residuals without the missing
  RelationWorkspace<float> work_;
  std::vector<float> network_in_, network_out_;
};

}  // namespace anomctl
