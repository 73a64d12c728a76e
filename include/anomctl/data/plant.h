// A simulated plant: sensors that belong together by known physics, load changes, idle times, and faults of known
// cause. The same seed gives the same rows. Thread rule: one thread an object.
//
// pump_loop (1 Hz): a pump with a speed drive feeds a loop from an open tank through a filter and a control valve.
//   n = speed / 1450 rpm, Q flow in m3/h, v valve opening 0..1, L tank level in m, T ambient in degC
//   speed      follows the drive's command with a lag of 5 s; the drive controls the measured flow to the demanded one
//   pump head  H = 52 n^2 - 0.0016 Q^2 m; system head 12 + (0.0012 + 0.0010 / v^2) Q^2 m; Q where both meet, lag 2 s
//   filter_dp  = 2e-5 c Q^2 bar, c grows from 1 by 2 % a day of work
//   suction    = 0.0981 L - 1e-5 Q^2 - filter_dp bar;  discharge = suction + 0.0981 H bar
//   power      = rho g Q H / eta + 1.2 n^3 kW, eta = 0.76 (1 - ((Q/n - 95) / 160)^2)
//   current    = power / (sqrt3 0.4 kV 0.86) A
//   motor_temp -> T + 3 power, time constant 600 s;  bearing_temp -> T + 25 n^2 + 4 (vibration - 1.5), 400 s
//   water_temp -> 18 + 0.15 power + 0.2 (T - 20), 900 s
//   T          swings by 2 degC around 20 every 40 minutes (the hall's heating), and wanders a little
//   vibration  = 0.6 + 1.4 n^2 + 0.5 ((Q/n - 95) / 60)^2 mm/s, more where suction falls below 0 bar (cavitation)
//   tank       dL/dt = (makeup - 0.06 Q - leak) / 25 m2; makeup = 0.06 Q + 900 (3.5 m - L), 0 to 40 m3/h, lag 15 s
//   leak       the share s of Q leaves the discharge side before the flow meter: flow reads (1 - s) Q, and the tank
//              loses s Q
// Demand steps between 55 and 105 m3/h every 5 to 15 minutes, the valve is moved every 8 to 20, and the pump stands
// still for 3 to 6 minutes after every 30 to 60 of work.
//
// mixing_station (1 Hz): two liquors are mixed, heated and pumped on: products, a switch, saturation. Never idle.
//   F = feed_a + feed_b m3/h (steps every 4 to 15 minutes, lag 25 s); conc_a, conc_b, inlet_temp wander slowly
//   solute_flow    = feed_a conc_a + feed_b conc_b;  conc_out = solute_flow / F, lag 8 s
//   steam_valve    = 1.163 F (60 - inlet_temp) / 3200, at most 1, lag 4 s;  steam_flow = 3200 steam_valve / 0.6
//   outlet_temp    = inlet_temp + 3200 steam_valve / (1.163 F), lag 6 s: 60 until the valve is open
//   pump currents  = 0.3 + 4 + 0.0030 F^1.8 (pump 1), 0.3 + 5 + 0.0026 F^1.8 (pump 2) for the one on duty, which changes
//                    every 10 to 30 minutes, 0.3 A for the other
//   agitator_power = 8e-6 agitator_speed^3 (0.7 + 0.006 conc_out);  filter_dp = 4e-5 (0.7 + 0.006 conc_out) F^2
//   leak           the share s of F is lost before heater and pumps
//
// linear_plant (1 Hz): 12 sensors, each a fixed mixture of 4 independent sources (first-order, 60 to 1200 s) behind a lag
// of 1 to 4 s: nothing here that a linear relation does not tell. Never idle. A leak takes the share s of x1's swing.
//
// nonlinear_plant (1 Hz): 6 independent sources u1..u6 (first-order, 60 to 1000 s, unit deviation), a switch that is
// thrown every 5 to 20 minutes, and 7 sensors behind a lag of 2 s that a linear relation tells nothing or little of:
// u1 u2, u5 u6, +-u3 by the switch, u1 or u6 by the switch, u4 + u5 held in [-1, 1], u3 squared, 2 tanh(u2 u4). Noise of
// 0.1 on each but the switch. Never idle. A leak takes the share s of the first product.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anomctl/data/data_set.h"
#include "anomctl/data/faults.h"
#include "anomctl/data/source.h"

namespace anomctl {

enum class PlantKind { pump_loop, mixing_station, linear_plant, nonlinear_plant };
// "pump-loop", "mixing-station", "linear-plant", "nonlinear-plant". Throws UsageError.
PlantKind parse_plant(const std::string& name);

struct PlantSettings {
  PlantKind kind = PlantKind::pump_loop;
  std::uint64_t seed = 1;
  std::int64_t rows = -1;                       // -1: without end
  Nanoseconds start = 1'767'225'600 * kSecond;  // 2026-01-01T00:00:00Z
  bool idle_times = true;                       // the pump also stands still at times
  std::vector<FaultSpec> faults;
};

const std::vector<Column>& plant_columns(PlantKind kind);
double plant_period_s(PlantKind kind);
std::string plant_active_when(PlantKind kind);  // the condition under which it works: "speed > 700"; empty: always
Duration plant_settle(PlantKind kind);          // and how long after a start its readings are those of work
// `count` faults of all kinds in turn between two times, with pauses at least as long as the faults.
std::vector<FaultSpec> spread_faults(PlantKind kind, Duration from, Duration to, int count, std::uint64_t seed = 1);

class PlantModel;

class SimulatedPlant : public LabelledSource {
 public:
  // Throws UsageError for a fault of a sensor that the plant does not have.
  explicit SimulatedPlant(PlantSettings settings);
  ~SimulatedPlant() override;
  const std::vector<std::string>& columns() const override { return names_; }
  bool next(Row& row) override;
  bool label() const override { return label_; }
  bool starts_run() const override { return given_ == 1; }
  std::string where() const override;
  std::vector<InjectedFault> truth() const;  // of faults that have begun, in order of time

 private:
  PlantSettings settings_;
  std::vector<std::string> names_;
  std::unique_ptr<PlantModel> model_;
  std::vector<FaultSpec> physical_;         // faults of the plant itself
  std::unique_ptr<FaultInjector> sensors_;  // faults of what is measured
  FaultRandom random_;
  std::vector<InjectedFault> physical_truth_;
  std::int64_t given_ = 0;
  bool label_ = false;
};

}  // namespace anomctl
