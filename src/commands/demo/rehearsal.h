// What was injected into a live stream against what was told about it. Thread rule: one thread an object.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/data/data_set.h"
#include "anomctl/data/faults.h"
#include "anomctl/detection/episodes.h"

namespace anomctl {

class Rehearsal {
 public:
  void expect(const std::vector<InjectedFault>& truth);
  // The labelled segments of the eval part.
  void expect(const DataSet& set);
  // Takes an alert in and returns the line for people.
  std::string add(const Episode& episode);
  std::string summary() const;  // a line a fault, then the counts
  Json to_json() const;
  std::int64_t rows = 0;

 private:
  struct Truth {
    std::string what;                   // "drift of flow"
    std::vector<std::string> affected;  // empty: not known
    Nanoseconds start = 0, end = 0;     // both in
  };
  struct Finding {
    const Episode* first = nullptr;  // the first alert within the fault or soon after
    bool named = false;              // one of the affected sensors is among its causes
  };
  Finding find(const Truth& truth) const;
  bool belongs(const Episode& episode) const;

  std::vector<Truth> truth_;
  std::vector<Episode> episodes_;  // in order of opening, as last told
};

}  // namespace anomctl
