// What a Detector keeps between rows. Private to detector.cpp and snapshot.cpp.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anomctl/detection/detector.h"
#include "anomctl/detection/score.h"
#include "detection/fault_episodes.h"
#include "detection/intake.h"

namespace anomctl {

// Everything that gives the numbers of a snapshot their meaning, as a hash. A new threshold changes nothing.
std::string belongs_to(const Bundle& bundle, const std::string& asset);

struct Detector::State {
  State(std::shared_ptr<const Bundle> bundle, std::shared_ptr<const WindowModel> model, DetectorOptions options);

  // The oldest prepared row becomes `current`. `parts`: of the panel, where a server makes them.
  void take_oldest(const PanelParts* parts);
  // w + 1 rows in a row: the window that ends here and the one before.
  bool complete() const { return current.filled == static_cast<std::size_t>(bundle->settings.window_size) + 1; }
  // The verdict of `current`. `score.per_sensor` and `score.expected` are filled when `has_contributions`.
  Verdict conclude(bool has_contributions);
  // The panel's part: its score, alone or with the network's, and its contributions instead of the network's.
  void conclude_with_panel(Verdict& verdict);
  void apply_limit(Verdict& verdict);
  std::string reason(const Verdict& verdict) const;

  std::shared_ptr<const Bundle> bundle;
  std::shared_ptr<const WindowModel> model;
  DetectorOptions options;
  std::vector<std::size_t> targets;      // o
  std::vector<std::size_t> all_sensors;  // k, with a panel
  std::optional<double> limit;

  Intake intake;
  std::deque<IntakeRow> prepared;  // not yet judged, oldest first
  std::vector<IntakeRow> spare;    // memory for the next ones
  IntakeRow current;               // being judged

  std::vector<float> forecast;        // (o), from the window before the row that is judged next
  std::vector<std::uint8_t> missing;  // (o), of the row being judged
  Smoothing smoothing;
  std::optional<PanelScorer> panel;
  std::optional<PanelMemory> memory;  // instead, where a server makes the parts
  bool has_panel() const { return panel || memory; }
  std::vector<double> panel_state() const {
    return panel ? panel->state() : memory ? memory->state() : std::vector<double>{};
  }
  PanelOpinion opinion;  // of the panel, on `current`
  bool has_opinion = false;
  EpisodeTracker episodes;
  FaultEpisodes faults;
  std::vector<Episode> events;
  RowScore score;
  Expectation expectation;     // of push
  std::vector<double> padded;  // of rows_to_judge
  DetectorCounts counts;
};

}  // namespace anomctl
