// Episodes: verdicts over the limit that belong together, with a delay to open, a delay and a dead-band to close.
// Thread rule: one thread an object.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/json.h"
#include "anomctl/core/state_bytes.h"
#include "anomctl/core/time.h"
#include "anomctl/detection/verdict.h"

namespace anomctl {

struct EpisodeSettings {
  std::int64_t on_rows = 20;  // rows over the limit, one after another, before it opens: the span of members' smoothing
  double at_once = 2;         // it opens at once at limit * this; 0: never
  std::int64_t off_rows = 10;  // rows under the limit, one after another, before it closes
  bool latch = false;          // an episode stays open until it is acknowledged
  double dead_band = 0.2;      // an open episode counts a row as under only below limit * (1 - dead_band)

  // A row so far over the limit opens an episode by itself.
  bool opens_at_once(double score, double limit) const;
  // Under the limit, as an open episode sees it.
  bool under(double score, double limit) const;
  // The highest limit at which an episode would open with each row (n, not finite: it opens none). A score that is not
  // finite parts those before it from those after.
  std::vector<double> opening(std::span<const double> scores) const;

  static void fields(auto& self, auto&& field) {
    field("on_rows", self.on_rows, "rows over the limit, one after another, before an episode opens", Between{1, 1e9});
    field("at_once", self.at_once, "an episode opens at once at limit x this; 0: never", Between{0, 1e9});
    field("off_rows", self.off_rows, "rows under the limit, one after another, before an episode closes",
          Between{1, 1e9});
    field("dead_band", self.dead_band, "an open episode closes only below limit x (1 - this)", Between{0, 0.99});
  }
};

// What is told of an episode: once when it opens, once when it closes.
struct Episode {
  std::string id;                // hash of asset and start
  std::string kind = "anomaly";  // anomaly, sensor_fault or no_data
  std::string fault;             // of a sensor fault: dead, stuck, out_of_range, clock_skew
  std::string asset;
  Nanoseconds start = 0;  // the first row over the limit
  Nanoseconds end = 0;    // the last row over the limit so far
  Nanoseconds peak_time = 0;
  double peak = 0;        // largest score
  double threshold = 0;   // the limit at the peak
  std::int64_t rows = 0;  // rows over the limit
  bool closed = false;
  std::vector<Cause> causes;  // at the peak, strongest first
  std::string reason;         // one sentence, of the peak
  std::string model;
};
// Flat: id, kind, fault, asset, state open|closed, start, end, peak_time, peak, threshold, rows, top1.., top1_share..,
// top1_direction higher|lower, top1_expected.., top1_actual.., top1_unit.., reason, model.
Json to_json(const Episode& episode);

// All of it as bytes, exact.
void write_episode(StateWriter& out, const Episode& episode);
Episode read_episode(StateReader& in);

// The scored row that an episode is made of.
struct EpisodeRow {
  Nanoseconds time = 0;
  double score = 0;
  double threshold = 0;
  const std::vector<Cause>* causes = nullptr;
};

class EpisodeTracker {
 public:
  EpisodeTracker(EpisodeSettings settings, std::string asset, std::string model);
  // normal, open or closed; a change appends to `events`.
  State push(const EpisodeRow& row, std::vector<Episode>& events);
  // The rows that follow do not belong to those before: an open episode closes.
  void restart(std::vector<Episode>& events);
  // The episode that the last pushed row belongs to: open, or closed by that row; empty otherwise.
  const std::string& current_id() const { return current_id_; }
  // With `latch`: the open episode may close once its rows are under the limit.
  void acknowledge() { acknowledged_ = true; }

  struct Numbers {
    bool open = false, acknowledged = false;
    std::int64_t over = 0, under = 0;
    Episode episode;
  };
  Numbers numbers() const { return {open_, acknowledged_, over_, under_, episode_}; }
  void restore(Numbers numbers);

 private:
  void take(const EpisodeRow& row);
  void close(std::vector<Episode>& events);

  EpisodeSettings settings_;
  std::string asset_, model_, current_id_;
  bool open_ = false, acknowledged_ = false;
  std::int64_t over_ = 0, under_ = 0;  // rows over the limit before opening, under it before closing
  Episode episode_;                    // open, or about to
};

}  // namespace anomctl
