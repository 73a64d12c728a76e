// What a kind of plant has to tell: its sensors and how they go on by one row. Thread rule: one thread an object.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "anomctl/data/plant.h"

namespace anomctl {

class PlantModel {
 public:
  virtual ~PlantModel() = default;
  // The readings of the next row, in the order of plant_columns.
  virtual void step(FaultRandom& random, std::span<double> readings) = 0;
  // The share of the medium that is lost from now on.
  virtual void set_leak(double share) = 0;
};

// Even between lo and hi.
inline double between(FaultRandom& random, double lo, double hi) { return lo + (hi - lo) * random.uniform(); }
// One row towards `target`, first order; the time constant counts rows.
inline void follow(double& value, double target, double time_constant) { value += (target - value) / time_constant; }

// The columns that show a leak.
const std::vector<std::string>& pump_loop_leak_shows();
const std::vector<Column>& pump_loop_columns();
std::unique_ptr<PlantModel> make_pump_loop(bool idle_times);
const std::vector<std::string>& mixing_station_leak_shows();
const std::vector<Column>& mixing_station_columns();
std::unique_ptr<PlantModel> make_mixing_station(bool idle_times);  // never idle
const std::vector<std::string>& linear_plant_leak_shows();
const std::vector<Column>& linear_plant_columns();
std::unique_ptr<PlantModel> make_linear_plant(bool idle_times);  // never idle
const std::vector<std::string>& nonlinear_plant_leak_shows();
const std::vector<Column>& nonlinear_plant_columns();
std::unique_ptr<PlantModel> make_nonlinear_plant(bool idle_times);  // never idle

}  // namespace anomctl
