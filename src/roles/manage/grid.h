// Instants with values of some sensors -> rows on a grid with all of them, by the last value or by the line between the
// neighbours. Points are multiples of the period since 1970, so that assets share them. Private to manage. Thread rule:
// one thread an object.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "anomctl/core/row.h"
#include "anomctl/core/state_bytes.h"
#include "anomctl/data/regular.h"

namespace anomctl::manage {

struct GridSettings {
  Nanoseconds period = 0;  // 0: no grid, rows pass
  Fill fill = Fill::hold;
  Nanoseconds max_gap = 5 * kSecond;  // a value stands in for no longer than this, and a longer pause ends the run
};

class Grid {
 public:
  Grid(const GridSettings& settings, std::size_t columns);
  // Instants come in order of time. Appends the points that are settled by it.
  void add(const Row& instant, std::vector<Row>& rows);
  void restart();

  void write(StateWriter& out) const;
  void read(StateReader& in);

 private:
  struct Value {
    Nanoseconds time = 0;
    double value = 0;
  };
  struct Sensor {
    std::optional<Value> held;  // the last one up to the next point
    std::deque<Value> ahead;    // later ones, for interpolation
  };
  void take(const Row& instant);
  void give_until(Nanoseconds time, std::vector<Row>& rows);
  bool settled(Nanoseconds point) const;
  double value_at(const Sensor& sensor, Nanoseconds point) const;
  Nanoseconds point_from(Nanoseconds time) const;

  GridSettings settings_;
  std::vector<Sensor> sensors_;
  std::optional<Nanoseconds> last_;  // instant
  Nanoseconds first_ = 0;            // instant of the run
  Nanoseconds next_ = 0;             // point
  Nanoseconds skew_ = 0;             // of the instants since the last point
};

}  // namespace anomctl::manage
