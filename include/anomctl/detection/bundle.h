// A trained detector on disk: a folder with bundle.json and weights.safetensors (contract, section 3). No code in it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/core/json.h"
#include "anomctl/data/data_set.h"
#include "anomctl/data/scaler.h"
#include "anomctl/detection/budget.h"
#include "anomctl/detection/score.h"
#include "anomctl/detection/sensor_limits.h"
#include "anomctl/model/mtad_gat_settings.h"
#include "anomctl/model/panel.h"
#include "anomctl/model/tensors.h"
#include "anomctl/model/window_model.h"

namespace anomctl {

struct Bundle {
  std::string name;
  std::string kind = "mtad-gat";  // mtad-gat: the network alone; panel: the panel alone; panel+mtad-gat: both
  std::vector<Column> columns;    // k
  double period_s = 1;
  Scaler scaler;
  MtadGatSettings settings;
  TensorMap weights;  // the reference's key names
  ScoreSettings score;
  std::shared_ptr<const PanelModel> panel;    // null for kind mtad-gat
  std::shared_ptr<const PanelVoices> voices;  // instead of `panel` where a server makes the parts
  double network_voice = 0;  // kind panel+mtad-gat: weight of the network's score beside the panel's, 0: it is not run
  TailCurve network_tail;    // calibrates it
  std::map<std::string, double> thresholds;  // "pot", "epsilon", ... from train scores
  std::string chosen_threshold;              // key of `thresholds` in force, empty: none
  std::optional<BudgetCalibration> budget;   // nothing in bundles of old
  std::string active_when;
  double settle_s = 0;
  std::vector<SensorLimits> sensor_limits;  // k, or empty: not known
  Json provenance = Json::object();         // run, data set hash, version, seed, instruction set
  std::string hash;                         // of bundle.json, set by load

  std::optional<double> threshold() const;
  // The panel's part that every judge has: of `panel` or `voices`, null without one.
  const PanelVoices* panel_voices() const { return panel ? panel.get() : voices.get(); }
  // Whether a row's verdict needs the window model.
  bool runs_network() const { return panel == nullptr || (!weights.empty() && network_voice > 0); }
  std::vector<std::string> column_names() const;  // k
  // The predicted columns, o of them: all in order unless settings.target_dims names some.
  std::vector<std::size_t> targets() const;
};

// The bundle as the reference judges: MTAD-GAT alone, its errors summed; without a limit that was found for another
// score. Throws UsageError for a bundle without MTAD-GAT.
Bundle as_reference(Bundle bundle);

inline constexpr const char* kBundleFile = "bundle.json";
inline constexpr const char* kWeightsFile = "weights.safetensors";

// bundle.json without weights, as a document; for checks and for tests.
Json bundle_to_json(const Bundle& bundle);
// The same without what only the maker of a panel's parts needs: for who judges by a server. bundle_from_json of it has
// `voices`.
Json bundle_for_client(const Bundle& bundle);
// Checks every key. Throws Error(bad_input) that begins with `where`.
Bundle bundle_from_json(const Json& json, const std::string& where);
// bundle.json only, weights left empty: for lists.
Bundle load_bundle_header(const fs::path& folder);

// Checks sizes and hashes before allocating. Throws Error(bad_input) naming the file.
Bundle load_bundle(const fs::path& folder);
// The window model that the bundle's verdicts need, on the native engine. Where they need none (a panel, a silent
// network) it has the bundle's shape and is never asked.
std::shared_ptr<const WindowModel> open_window_model(const Bundle& bundle, int threads = 1);
// Writes weights first, bundle.json (with the SHA-256 of every file) last, each atomically.
void save_bundle(const Bundle& bundle, const fs::path& folder);

}  // namespace anomctl
