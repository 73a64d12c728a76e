// What is said of one row (contract, section 4). Thread rule: values.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/core/time.h"

namespace anomctl {

enum class State { warmup, normal, open, closed, idle, muted, no_data, sensor_fault };
std::string to_string(State state);

// A sensor's part in a verdict: what was expected of it and what it showed, in its unit.
struct Cause {
  std::string sensor;
  double share = 0;  // of the row's score, 0 to 1
  double expected = 0;
  double actual = 0;
  std::string unit;
};

struct Verdict {
  std::string id;  // hash of asset, time and values: the same row gives the same id
  Nanoseconds time = 0;
  double score = 0;      // NaN while warming up
  double threshold = 0;  // the limit in force
  bool is_anomaly = false;
  std::string episode;  // id of the episode it belongs to, empty outside one
  State state = State::warmup;
  std::vector<Cause> causes;  // strongest first, at most three
  std::string reason;         // one sentence
  std::string model;          // name of the bundle
};

// Flat: id, time, score, threshold, is_anomaly 0/1, episode, state, top1..top3, top1_share.., reason, model. A score
// that is not there (warm-up) is left out.
Json to_json(const Verdict& verdict);

}  // namespace anomctl
