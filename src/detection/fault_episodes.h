// Episodes of broken sensors and of silence: one for each sensor and kind of fault, open from the first bad row until
// so many good ones have come. Private to the detector. Thread rule: one thread an object.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "anomctl/core/state_bytes.h"
#include "anomctl/data/data_set.h"
#include "anomctl/detection/episodes.h"
#include "anomctl/detection/sensor_faults.h"

namespace anomctl {

class FaultEpisodes {
 public:
  FaultEpisodes(std::string asset, std::string model, std::vector<Column> columns, std::int64_t off_rows);
  // The faults of one row.
  void push(Nanoseconds time, const std::vector<SensorFault>& faults, std::vector<Episode>& events);
  // Nothing came after `last`; `time` is now. A row that has values ends it.
  void silence(Nanoseconds last, Nanoseconds time, const std::string& reason, std::vector<Episode>& events);
  void heard(Nanoseconds time, std::vector<Episode>& events);
  std::string describe(const SensorFault& fault) const;

  void write(StateWriter& out) const;
  void read(StateReader& in);

 private:
  using Key = std::pair<std::size_t, std::uint8_t>;  // column, kind
  struct Open {
    std::int64_t good_rows = 0;
    Episode episode;
  };
  Episode begin(const std::string& what, Nanoseconds time) const;

  std::string asset_, model_;
  std::vector<Column> columns_;
  std::int64_t off_rows_;
  std::map<Key, Open> open_;
  bool silent_ = false;
  Episode silence_;
};

}  // namespace anomctl
