// From what a model expected and what came to the score of a row: per sensor contributions, their total, smoothing over
// rows. Contributions depend on one window only (a server can compute them); the total over rows with `Smoothing` needs
// the rows before. Thread rule: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/json.h"
#include "anomctl/core/matrix.h"

namespace anomctl {

// How a row's errors become its score. o: number of predicted sensors (targets).
struct ScoreSettings {
  // whitened: the forecast's errors minus their mean, over their spread on held-out normal rows, turned so that they do
  // not move together; contribution the square of each, total log(1 + sum). normalised: the sizes of both errors minus
  // their centre, over their spread, held in [0, clip]; contribution (forecast's + gamma reconstruction's) / (1 + gamma),
  // total log(1 + sum). reference: the same of the plain sizes in scaled units, total their sum.
  std::string kind = "whitened";
  double gamma = 1;             // weight of the reconstruction
  double smoothing = 0.1;       // lambda of an EWMA over the totals of successive rows, 0: none
  double clip = 20;             // of a normalised error
  std::optional<double> usual;  // mean total of held-out normal rows, which smoothing begins with; none: with nothing
  std::vector<double> forecast_center,
      forecast_spread;  // o, in scaled units; of errors that are whitened with their sign
  std::vector<double> reconstruction_center, reconstruction_spread;  // o, for "normalised"
  Matrix<double> whitening;                                          // (o, o), for "whitened"

  static void fields(auto& self, auto&& field) {
    field(
        "score_kind", self.kind,
        "how errors become a score: the forecast's errors whitened, each sensor's errors normalised, or summed as the "
        "reference does",
        OneOf{{"whitened", "normalised", "reference"}});
    field("gamma", self.gamma, "weight of the reconstruction against the forecast in the score", Between{0, 1000});
    field("score_smoothing", self.smoothing, "lambda of the exponential smoothing of the score over rows, 0 for none",
          Between{0, 1});
    field("score_clip", self.clip, "largest normalised error of one sensor that counts", Between{1, 1e6});
  }
  // The score as the reference computes it, with this gamma.
  static ScoreSettings reference(double gamma);
  Json to_json() const;
  // Throws Error(bad_input) without naming a file. `targets`: o.
  static ScoreSettings from_json(const Json& json, std::size_t targets);
};

// Errors of one row: forecast, reconstruction and actual (o each, scaled units) -> contribution (o), all >= 0. A sensor
// with `missing[i] != 0`, or whose model outputs are not finite, contributes NaN: it takes no part. `missing` may be
// empty.
void contributions(const ScoreSettings& settings, std::span<const float> forecast,
                   std::span<const float> reconstruction, std::span<const float> actual,
                   std::span<const std::uint8_t> missing, std::span<double> contribution);

// Total of a row before smoothing; sensors that take no part (NaN) are stood in for by the mean of the others. NaN
// without any.
double total_score(const ScoreSettings& settings, std::span<const double> contribution);

// What the model showed on held-out normal rows, one row each, (n, o), scaled units.
struct HeldOutErrors {
  Matrix<float> forecast, reconstruction, actual;
};

// `settings` with what it takes from held-out rows fitted (of "reference" nothing). `floor` is the least
// spread of an error in scaled units: it keeps columns that hardly move from outweighing all others. Throws
// Error(bad_input) for fewer than 2 rows.
ScoreSettings fit_score(ScoreSettings settings, const HeldOutErrors& errors, double floor = 0.01);

// Exponentially weighted mean. With `usual` it begins there, as if that had been the total for long, so that the first rows
// of a run are no more likely than others to be far off; else its weights sum to one from the first row on (pandas'
// adjust=True).
class Smoothing {
 public:
  Smoothing(double lambda, std::size_t targets, std::optional<double> usual = {});
  void restart();
  // Takes one row in: its total and contributions (NaN contributions leave a sensor's part as it is).
  void push(double total, std::span<const double> contribution);
  double total() const { return weight_ > 0 ? total_ / weight_ : 0; }
  // Smoothed contributions, o; not divided by the weight: only their shares mean anything.
  std::span<const double> contribution() const { return contribution_; }

  struct Numbers {
    double total = 0, weight = 0;
    std::vector<double> contribution;
  };
  Numbers numbers() const { return {total_, weight_, contribution_}; }
  void restore(const Numbers& numbers);

 private:
  double keep_;  // 1 - lambda; 0 where nothing is smoothed
  std::optional<double> usual_;
  double total_ = 0, weight_ = 0;
  std::vector<double> contribution_;
};

}  // namespace anomctl
