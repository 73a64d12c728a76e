// The equations stand in plant.h.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/plant/plant_model.h"

namespace anomctl {
namespace {

constexpr double kDt = 1;  // s
constexpr double kBarPerMetre = 0.0981;
constexpr double kDay = 86'400;        // s
constexpr double kVentilation = 2400;  // s, period of the hall's heating

enum Sensor : std::size_t {
  speed,
  valve,
  flow,
  suction_pressure,
  discharge_pressure,
  filter_dp,
  power,
  current,
  motor_temp,
  bearing_temp,
  water_temp,
  vibration,
  tank_level,
  makeup_flow,
  ambient_temp,
  sensors
};

// Standard deviation of what each instrument adds, in its unit.
constexpr double kNoise[sensors] = {1.5,  0.1,  0.4,  0.002, 0.01,  0.001, 0.06, 0.12,
                                    0.08, 0.08, 0.05, 0.04,  0.004, 0.1,   0.05};

class PumpLoop : public PlantModel {
 public:
  explicit PumpLoop(bool idle_times) : idle_times_(idle_times) {}
  void set_leak(double share) override { leak_ = share; }

  void step(FaultRandom& random, std::span<double> readings) override {
    if (time_ == 0) next_idle_ = between(random, 1800, 3600);
    schedule(random);
    hydraulics();
    temperatures(random);
    const double values[sensors] = {1450 * n_, 100 * v_,   q_ * (1 - leak_), suction_, discharge_,
                                    filter_,   power_,     power_ / 0.5958,  motor_,   bearing_,
                                    water_,    vibration_, level_,           makeup_,  ambient_};
    for (std::size_t s = 0; s < sensors; ++s) {
      double noise = kNoise[s] * random.normal();
      if (s == vibration) noise *= 0.3 + n_;  // a pump that stands still shakes little
      if (n_ < 0.02 && (s == speed || s == flow || s == power || s == current)) noise *= 0.1;
      readings[s] = values[s] + noise;
    }
    time_ += kDt;
  }

 private:
  void schedule(FaultRandom& random) {
    if (time_ >= next_demand_) {
      demand_ = between(random, 55, 105);
      next_demand_ = time_ + between(random, 300, 900);
    }
    if (time_ >= next_valve_) {
      valve_target_ = between(random, 0.6, 1);
      next_valve_ = time_ + between(random, 480, 1200);
    }
    if (idle_times_ && time_ >= next_idle_) {
      idle_until_ = time_ + between(random, 180, 360);
      next_idle_ = idle_until_ + between(random, 1800, 3600);
    }
    follow(wanted_, demand_, 20);
    wander_ += -wander_ * kDt / 60 + 0.25 * random.normal();
    v_ += std::clamp(valve_target_ - v_, -0.02 * kDt, 0.02 * kDt);
    const double swing = std::sin(2 * std::numbers::pi * time_ / kVentilation);
    air_ += -air_ * kDt / 900 + 0.02 * random.normal();
    ambient_ = 20 + 2 * swing + air_;
  }

  void hydraulics() {
    if (time_ < idle_until_) {
      command_ = 0;
    } else {
      // The drive sees the flow that the meter sees.
      const double error = wanted_ + wander_ - q_ * (1 - leak_);
      command_ = std::clamp((command_ == 0 ? 0.7 : command_) + 0.0012 * error * kDt, 0.55, 1.15);
    }
    follow(n_, command_, 5);
    const double push = 52 * n_ * n_ - 12;
    const double resistance = 0.0016 + 0.0012 + 0.0010 / (v_ * v_);
    follow(q_, push > 0 ? std::sqrt(push / resistance) : 0, 2);
    if (q_ < 1e-3) q_ = 0;
    const double head = std::max(52 * n_ * n_ - 0.0016 * q_ * q_, 0.0);
    if (n_ > 0.2) fouling_ += 0.02 * kDt / kDay;
    filter_ = 2e-5 * fouling_ * q_ * q_;
    suction_ = kBarPerMetre * level_ - 1e-5 * q_ * q_ - filter_;
    discharge_ = suction_ + kBarPerMetre * head;
    const double duty = n_ > 0.1 ? (q_ / n_ - 95) / 160 : 0;
    const double efficiency = std::max(0.76 * (1 - duty * duty), 0.2);
    power_ = 1000 * 9.81 * q_ / 3600 * head / 1000 / efficiency + 1.2 * n_ * n_ * n_;
    const double off_design = n_ > 0.1 ? (q_ / n_ - 95) / 60 : 0;
    vibration_ = 0.2 + (n_ > 0.02 ? 0.4 + 1.4 * n_ * n_ + 0.5 * off_design * off_design * n_ : 0) +
                 20 * std::max(-suction_, 0.0) * n_;
    follow(makeup_, std::clamp(0.06 * q_ + 900 * (3.5 - level_), 0.0, 40.0), 15);
    level_ += (makeup_ - 0.06 * q_ - leak_ * q_) / 3600 / 25 * kDt;
    level_ = std::clamp(level_, 0.0, 6.0);
  }

  void temperatures(FaultRandom& random) {
    follow(motor_, ambient_ + 3 * power_, 600);
    follow(bearing_, ambient_ + 25 * n_ * n_ + 4 * std::max(vibration_ - 1.5, 0.0), 400);
    heat_ += -heat_ * kDt / 300 + 0.005 * random.normal();
    follow(water_, 18 + 0.15 * power_ + 0.2 * (ambient_ - 20) + heat_, 900);
  }

  bool idle_times_;
  double time_ = 0;
  double next_demand_ = 0, next_valve_ = 0, next_idle_ = 0, idle_until_ = -1;
  double demand_ = 80, wanted_ = 80, wander_ = 0, valve_target_ = 0.8, command_ = 0.9, leak_ = 0;
  double n_ = 0.9, v_ = 0.8, q_ = 80, level_ = 3.5, makeup_ = 5, fouling_ = 1;
  double filter_ = 0, suction_ = 0, discharge_ = 0, power_ = 0, vibration_ = 0;
  double motor_ = 50, bearing_ = 40, water_ = 19.5, ambient_ = 20, air_ = 0, heat_ = 0;
};

}  // namespace

const std::vector<Column>& pump_loop_columns() {
  static const std::vector<Column> columns = {{"speed", "rpm", "pump speed"},
                                              {"valve", "%", "control valve opening"},
                                              {"flow", "m3/h", "flow behind the pump"},
                                              {"suction_pressure", "bar", "gauge pressure before the pump"},
                                              {"discharge_pressure", "bar", "gauge pressure behind the pump"},
                                              {"filter_dp", "bar", "pressure drop over the filter"},
                                              {"power", "kW", "power drawn by the motor"},
                                              {"current", "A", "motor current of one phase"},
                                              {"motor_temp", "degC", "winding temperature"},
                                              {"bearing_temp", "degC", "temperature of the drive-end bearing"},
                                              {"water_temp", "degC", "temperature of the water"},
                                              {"vibration", "mm/s", "RMS vibration of the bearing housing"},
                                              {"tank_level", "m", "level of the open tank"},
                                              {"makeup_flow", "m3/h", "fresh water into the tank"},
                                              {"ambient_temp", "degC", "air temperature in the hall"}};
  return columns;
}

const std::vector<std::string>& pump_loop_leak_shows() {
  static const std::vector<std::string> names = {"flow", "makeup_flow", "tank_level", "power", "speed"};
  return names;
}

std::unique_ptr<PlantModel> make_pump_loop(bool idle_times) { return std::make_unique<PumpLoop>(idle_times); }

}  // namespace anomctl
