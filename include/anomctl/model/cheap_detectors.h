// What a detector has to beat before it is worth its cost: detectors of a few lines, fitted on train rows in seconds,
// causal. Their scores are for comparison, not for verdicts: each has a scale of its own. Thread rule: one thread a
// CheapDetector.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "anomctl/core/matrix.h"
#include "anomctl/core/row.h"

namespace anomctl {

class CheapDetector {
 public:
  virtual ~CheapDetector() = default;
  // The next row starts a new run.
  virtual void restart() = 0;
  // z: k z-scores; a sensor without a value holds its last one. Nothing while too few rows of the run are known.
  virtual std::optional<double> push(std::span<const double> z) = 0;
};

struct NamedCheapDetector {
  std::string name;
  std::unique_ptr<CheapDetector> detector;
};

// A detector on rows as they come, each turned into z-scores of the train rows first.
class CheapDetectors {
 public:
  // rows: (n, k) in the sensors' units, NaN = missing; rows with use[r] == 0 take no part (empty: all do). Throws
  // Error(bad_input) where fewer than 30 rows are left. `seed`: of the random score and of k-means.
  CheapDetectors(const Matrix<double>& rows, std::span<const RowRange> runs, std::span<const std::uint8_t> use,
                 std::uint64_t seed);
  std::vector<std::string> names() const;
  // Scores of every row, NaN where there is none: (rows, names). Runs start anew, as do rows after one left out.
  Matrix<double> scores(const Matrix<double>& rows, std::span<const RowRange> runs,
                        std::span<const std::uint8_t> use = {});

  // How much each sensor stands out of a row, k each: |z|, and its part in the distance from the plane of the principal
  // components. 0 for a value that is missing.
  struct Blame {
    std::vector<double> z_score, pca;
  };
  Blame blame(std::span<const double> row) const;

 private:
  std::vector<double> mean_, deviation_;  // k
  std::vector<NamedCheapDetector> detectors_;
  Matrix<double> axes_;  // (components, k), of PCA
};

}  // namespace anomctl
