// Figures that forgive a detector for being a little early or late, for events that last. Both are computed as TSB-AD
// 1.5 has them, so that they compare with published tables. Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "anomctl/core/row.h"
#include "anomctl/detection/metrics.h"

namespace anomctl {

// Volume under the surface of curves over buffers of 0..max_buffer rows around each event (Paparrizos et al., VLDB
// 2022). Labels fall off as a square root within half a buffer of an event; recall counts only in so far as events are
// touched at all; `cuts` limits, evenly spaced by rank.
struct VolumeUnderSurface {
  double roc = 0, pr = 0;
};
// Nothing when either class is absent. Requires: finite scores, equal sizes, cuts >= 2.
std::optional<VolumeUnderSurface> volume_under_surface(std::span<const double> scores,
                                                       std::span<const std::uint8_t> labels, std::size_t max_buffer,
                                                       std::size_t cuts = 250);

// Each event is judged in the part of the series that is nearest to it (Huet et al., KDD 2022). Precision: the chance
// that a row drawn at random there is at least as far from the event as a flagged one; recall: that it is at least as
// far from a row of the event as the nearest flagged one is.
struct Affiliation {
  double precision = 0, recall = 0;
  std::optional<double> f1() const;  // nothing where both are 0
};
// Nothing without an event or without a flagged row. Requires: equal sizes.
std::optional<Affiliation> affiliation(std::span<const std::uint8_t> flags, std::span<const std::uint8_t> labels);

}  // namespace anomctl
