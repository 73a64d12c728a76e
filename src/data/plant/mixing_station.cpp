// The equations stand in plant.h.
#include <algorithm>
#include <cmath>

#include "data/plant/plant_model.h"

namespace anomctl {
namespace {

constexpr double kDt = 1;                  // s
constexpr double kHeat = 1.163;            // kWh/(m3 K), water
constexpr double kEvaporation = 0.6;       // kWh/kg, what steam gives
constexpr double kLargestDuty = 3200;      // kW, with the steam valve open
constexpr double kWantedTemperature = 60;  // degC

enum Sensor : std::size_t {
  feed_a,
  feed_b,
  conc_a,
  conc_b,
  inlet_temp,
  solute_flow,
  conc_out,
  steam_valve,
  steam_flow,
  outlet_temp,
  pump_1_current,
  pump_2_current,
  agitator_speed,
  agitator_power,
  filter_dp,
  sensors
};

// Standard deviation of what each instrument adds, in its unit.
constexpr double kNoise[sensors] = {0.2, 0.15, 0.5, 0.3, 0.1, 25, 0.4, 0.4, 15, 0.15, 0.08, 0.08, 0.3, 0.05, 0.004};

class MixingStation : public PlantModel {
 public:
  void set_leak(double share) override { leak_ = share; }

  void step(FaultRandom& random, std::span<double> readings) override {
    schedule(random);
    const double total = (feed_a_ + feed_b_) * (1 - leak_);
    const double solute = feed_a_ * conc_a_ + feed_b_ * conc_b_;
    follow(conc_, solute / (feed_a_ + feed_b_), 8);
    follow(valve_, std::clamp(kHeat * total * (kWantedTemperature - inlet_) / kLargestDuty, 0.0, 1.0), 4);
    const double duty = kLargestDuty * valve_;
    follow(outlet_, inlet_ + duty / (kHeat * total), 6);
    const double thickness = 0.7 + 0.006 * conc_;
    for (const int pump : {0, 1}) follow(share_[pump], duty_pump_ == pump ? 1 : 0, 2);
    const double values[sensors] = {feed_a_,
                                    feed_b_,
                                    conc_a_,
                                    conc_b_,
                                    inlet_,
                                    solute,
                                    conc_,
                                    100 * valve_,
                                    duty / kEvaporation,
                                    outlet_,
                                    0.3 + share_[0] * (4 + 0.0030 * std::pow(total, 1.8)),
                                    0.3 + share_[1] * (5 + 0.0026 * std::pow(total, 1.8)),
                                    agitator_,
                                    8e-6 * agitator_ * agitator_ * agitator_ * thickness,
                                    4e-5 * thickness * total * total};
    for (std::size_t s = 0; s < sensors; ++s) readings[s] = values[s] + kNoise[s] * random.normal();
    time_ += kDt;
  }

 private:
  // One step of a process that returns to `mean` within `time_constant` and has the standard deviation `deviation`.
  static void wander(FaultRandom& random, double& value, double mean, double time_constant, double deviation) {
    value += (mean - value) * kDt / time_constant + deviation * std::sqrt(2 * kDt / time_constant) * random.normal();
  }

  void schedule(FaultRandom& random) {
    if (time_ >= next_a_) {
      target_a_ = between(random, 15, 45);
      next_a_ = time_ + between(random, 240, 900);
    }
    if (time_ >= next_b_) {
      target_b_ = between(random, 8, 35);
      next_b_ = time_ + between(random, 240, 900);
    }
    if (time_ >= next_agitator_) {
      target_agitator_ = between(random, 40, 95);
      next_agitator_ = time_ + between(random, 300, 1200);
    }
    if (time_ >= next_pump_) {
      duty_pump_ = 1 - duty_pump_;
      next_pump_ = time_ + between(random, 600, 1800);
    }
    follow(feed_a_, target_a_, 25);
    follow(feed_b_, target_b_, 25);
    follow(agitator_, target_agitator_, 10);
    wander(random, conc_a_, 90, 1200, 12);
    wander(random, conc_b_, 35, 1500, 8);
    wander(random, inlet_, 16, 1800, 3);
  }

  double time_ = 0, next_a_ = 0, next_b_ = 0, next_agitator_ = 0, next_pump_ = 0;
  double target_a_ = 30, target_b_ = 20, target_agitator_ = 60;
  double feed_a_ = 30, feed_b_ = 20, conc_a_ = 90, conc_b_ = 35, inlet_ = 16;
  double conc_ = 68, valve_ = 0.9, outlet_ = 60, agitator_ = 60, leak_ = 0;
  double share_[2] = {1, 0};
  int duty_pump_ = 1;
};

}  // namespace

const std::vector<Column>& mixing_station_columns() {
  static const std::vector<Column> columns = {{"feed_a", "m3/h", "feed of liquor A"},
                                              {"feed_b", "m3/h", "feed of liquor B"},
                                              {"conc_a", "kg/m3", "solute in liquor A"},
                                              {"conc_b", "kg/m3", "solute in liquor B"},
                                              {"inlet_temp", "degC", "temperature of both feeds"},
                                              {"solute_flow", "kg/h", "solute into the mixer"},
                                              {"conc_out", "kg/m3", "solute behind the mixer"},
                                              {"steam_valve", "%", "opening of the heater's steam valve"},
                                              {"steam_flow", "kg/h", "steam into the heater"},
                                              {"outlet_temp", "degC", "temperature behind the heater"},
                                              {"pump_1_current", "A", "motor current of pump 1"},
                                              {"pump_2_current", "A", "motor current of pump 2"},
                                              {"agitator_speed", "rpm", "speed of the agitator"},
                                              {"agitator_power", "kW", "power of the agitator"},
                                              {"filter_dp", "bar", "pressure drop over the filter"}};
  return columns;
}

const std::vector<std::string>& mixing_station_leak_shows() {
  static const std::vector<std::string> names = {"feed_a",    "feed_b",         "steam_valve",   "steam_flow",
                                                 "filter_dp", "pump_1_current", "pump_2_current"};
  return names;
}

std::unique_ptr<PlantModel> make_mixing_station(bool) { return std::make_unique<MixingStation>(); }

}  // namespace anomctl
