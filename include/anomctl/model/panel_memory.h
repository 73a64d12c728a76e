// What a panel keeps between rows, apart from what it computes of a row and the few before it: members smooth and
// calibrate what a row brings, and are fused. The parts may come from elsewhere, as from a server. Thread rule: values;
// one thread a PanelMemory.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "anomctl/core/json.h"

namespace anomctl {

// Empirical tail of a score, exponential beyond the 98 % quantile.
struct TailCurve {
  std::vector<double> sample;  // ascending, at most 1024 evenly spaced order statistics
  double knee = 0;             // the 98 % quantile
  double mean_excess = 1;      // over the knee
  static TailCurve fit(std::vector<double> scores);
  // -log10 of the probability of a normal row scoring at least x; finite for every finite x.
  double surprise(double x) const;
  std::optional<double> usual() const;  // the median; nothing before a fit
  Json to_json() const;
  static TailCurve from_json(const Json& json);  // throws Error(bad_input)
};

inline constexpr std::size_t kPanelMembers = 3;
inline constexpr std::array<const char*, kPanelMembers> kPanelMemberNames = {"chart", "relation", "var"};

// What one row says together with the `warm_up` rows before it, k each.
struct PanelParts {
  std::vector<double> z;         // z-score; of a sensor without a value that of what stands in
  std::vector<double> relation;  // what the other sensors do not explain, in about unit deviations
  std::vector<double> var;       // part in the squared length of the VAR's whitened residuals
  std::vector<double> network;   // the same of what the relation network leaves over, 0 without one
  std::vector<double> expected;  // in the sensor's unit: given the other sensors and the last rows
};

// All of a panel but what makes the parts.
struct PanelVoices {
  double chart_lambda = 0.1, relation_lambda = 0.2, var_lambda = 0.1;  // EWMA weights of the newest row
  std::vector<double> mean;                                            // k, of the train rows
  // A normal row's scores: of rows held out from the fit, which tell what it has not learned, and of all train rows,
  // which tell where the plant has been. The lesser surprise counts.
  std::array<TailCurve, kPanelMembers> tails, all_tails;
  double chart_clip = std::numeric_limits<double>::infinity();  // the chart's z-scores are clipped here
  double voice = 0;                                             // weight of the relation network, 0: there is none
  TailCurve network_tail;                                       // with a voice
  std::size_t warm_up = 0;                                      // rows of a run before the first one that is judged

  double surprise(std::size_t member, double score) const;
  Json to_json() const;
  static PanelVoices from_json(const Json& json, std::size_t sensors);  // throws Error(bad_input)
};

// What the panel says of one row.
struct PanelOpinion {
  double score = 0;  // -log10 probability: (1 - voice) * mean of the linear members + voice * the network
  std::array<double, kPanelMembers> raw{};  // the members' own scores
  std::array<double, kPanelMembers> surprise{};
  double network_raw = 0, network_surprise = 0;  // 0 without a network
  std::vector<double> share;                     // k, sums to 1: each sensor's part in the score
  std::vector<double> expected;                  // k, as of the parts
};

class PanelMemory {
 public:
  // The first `healthy_start` rows of each run are taken to be healthy: what they show that is unlike the train rows is
  // from then on what the members are centred on, within bounds. A score never gets higher by it.
  explicit PanelMemory(std::shared_ptr<const PanelVoices> voices, std::int64_t healthy_start = 0);
  // The next row starts a new run.
  void restart();
  // What a sensor has shown so far says nothing: it is broken.
  void forget(std::size_t sensor) { chart_[sensor] = centre_[sensor] = 0; }
  // Whether the next row is judged; of one that is not, only `z` of its parts is looked at.
  bool ready() const { return seen_ >= voices_->warm_up; }
  // Whether it was; `out` is unchanged otherwise. missing: k flags of sensors that have no value.
  bool push(const PanelParts& parts, std::span<const std::uint8_t> missing, PanelOpinion& out);
  // All state between rows as numbers.
  std::vector<double> state() const;
  void restore(std::span<const double> state);  // requires the size of `state`

 private:
  void judge(const PanelParts& parts, bool first, PanelOpinion& out);
  double centred(std::size_t member, double score, const TailCurve& tail);
  void attribute(PanelOpinion& out) const;

  std::shared_ptr<const PanelVoices> voices_;
  std::int64_t healthy_start_;
  std::int64_t started_ = 0, judged_ = 0;        // rows of the run's start so far, and how many of them were judged
  bool in_start_ = false;                        // of the row at hand
  std::vector<double> centre_;                   // k, mean z-score of the start
  std::array<double, 3> level_{};                // mean scores of the start: relation, VAR, network
  std::size_t seen_ = 0;                         // rows since the last restart, counted up to warm_up + 1
  std::vector<double> chart_;                    // k, EWMA of z
  double relation_ = 0, var_ = 0, network_ = 0;  // smoothed log scores
  std::vector<double> relation_share_, var_share_, network_share_;  // k, smoothed parts
};

}  // namespace anomctl
