#include "anomctl/data/plant.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "anomctl/core/error.h"
#include "data/column_names.h"
#include "data/plant/plant_model.h"

namespace anomctl {
namespace {

// A kind of plant, and what is worth breaking in it: one fault after another goes down this list.
struct KindFacts {
  PlantKind kind;
  std::string name;
  double period_s;
  const char* active_when;
  Duration settle;
  const std::vector<Column>& (*columns)();
  const std::vector<std::string>& (*leak_shows)();
  std::unique_ptr<PlantModel> (*make)(bool idle_times);
  std::vector<std::pair<FaultKind, const char*>> likely;
};

const KindFacts& facts(PlantKind kind) {
  static const std::array<KindFacts, 4> kinds = {{{PlantKind::pump_loop,
                                                   "pump-loop",
                                                   1,
                                                   "speed > 700",
                                                   seconds(120),
                                                   pump_loop_columns,
                                                   pump_loop_leak_shows,
                                                   make_pump_loop,
                                                   {{FaultKind::drift, "discharge_pressure"},
                                                    {FaultKind::stuck, "flow"},
                                                    {FaultKind::leak, "flow"},
                                                    {FaultKind::spike, "vibration"},
                                                    {FaultKind::noise, "current"},
                                                    {FaultKind::phase, "speed"},
                                                    {FaultKind::offset, "bearing_temp"},
                                                    {FaultKind::stuck, "power"},
                                                    {FaultKind::drift, "filter_dp"}}},
                                                  {PlantKind::mixing_station,
                                                   "mixing-station",
                                                   1,
                                                   "",
                                                   {},
                                                   mixing_station_columns,
                                                   mixing_station_leak_shows,
                                                   make_mixing_station,
                                                   {{FaultKind::replay, "solute_flow"},
                                                    {FaultKind::replay, "outlet_temp"},
                                                    {FaultKind::replay, "agitator_power"},
                                                    {FaultKind::stuck, "filter_dp"},
                                                    {FaultKind::leak, "feed_a"},
                                                    {FaultKind::replay, "conc_out"},
                                                    {FaultKind::replay, "steam_valve"},
                                                    {FaultKind::drift, "pump_1_current"},
                                                    {FaultKind::replay, "feed_b"}}},
                                                  {PlantKind::linear_plant,
                                                   "linear-plant",
                                                   1,
                                                   "",
                                                   {},
                                                   linear_plant_columns,
                                                   linear_plant_leak_shows,
                                                   make_linear_plant,
                                                   {{FaultKind::replay, "x1"},
                                                    {FaultKind::replay, "x4"},
                                                    {FaultKind::drift, "x7"},
                                                    {FaultKind::stuck, "x9"},
                                                    {FaultKind::replay, "x11"}}},
                                                  {PlantKind::nonlinear_plant,
                                                   "nonlinear-plant",
                                                   1,
                                                   "",
                                                   {},
                                                   nonlinear_plant_columns,
                                                   nonlinear_plant_leak_shows,
                                                   make_nonlinear_plant,
                                                   {{FaultKind::replay, "product_12"},
                                                    {FaultKind::replay, "signed_3"},
                                                    {FaultKind::replay, "limited_45"},
                                                    {FaultKind::stuck, "product_56"},
                                                    {FaultKind::replay, "chosen_16"},
                                                    {FaultKind::replay, "bent_24"}}}}};
  return kinds[static_cast<std::size_t>(kind)];
}

constexpr int kWarmUpSteps = 3600;
constexpr double kLeakShare = 0.12, kLeakGrowth = 0.2;

}  // namespace

PlantKind parse_plant(const std::string& name) {
  std::string names;
  for (const PlantKind kind :
       {PlantKind::pump_loop, PlantKind::mixing_station, PlantKind::linear_plant, PlantKind::nonlinear_plant}) {
    if (facts(kind).name == name) return kind;
    names += (names.empty() ? "" : ", ") + std::string(facts(kind).name);
  }
  throw UsageError(fmt::format("plant '{}' is unknown: there are {}", name, names));
}
const std::vector<Column>& plant_columns(PlantKind kind) { return facts(kind).columns(); }
double plant_period_s(PlantKind kind) { return facts(kind).period_s; }
std::string plant_active_when(PlantKind kind) { return facts(kind).active_when; }
Duration plant_settle(PlantKind kind) { return facts(kind).settle; }

std::vector<FaultSpec> spread_faults(PlantKind kind, Duration from, Duration to, int count, std::uint64_t seed) {
  std::vector<FaultSpec> faults;
  if (count < 1 || to.ns <= from.ns) return faults;
  FaultRandom random(seed ^ 0x5EEDULL);
  const auto& likely = facts(kind).likely;
  const Nanoseconds slot = (to.ns - from.ns) / count;
  for (int i = 0; i < count; ++i) {
    const auto& [fault, sensor] = likely[static_cast<std::size_t>(i) % likely.size()];
    const double share = 0.25 + 0.2 * random.uniform(), place = 0.3 + 0.2 * random.uniform();
    // Whole seconds, so that the text of a fault stays short.
    const auto whole = [](double ns) { return Duration{static_cast<Nanoseconds>(ns / 1e9) * kSecond}; };
    FaultSpec spec{fault, sensor, whole(static_cast<double>(from.ns + i * slot) + place * static_cast<double>(slot)),
                   whole(std::max(share * static_cast<double>(slot), 1e9)), 0};
    faults.push_back(std::move(spec));
  }
  return faults;
}

SimulatedPlant::SimulatedPlant(PlantSettings settings) : settings_(std::move(settings)), random_(settings_.seed) {
  const KindFacts& kind = facts(settings_.kind);
  for (const Column& column : kind.columns()) names_.push_back(column.name);
  model_ = kind.make(settings_.idle_times);
  std::vector<FaultSpec> measured;
  for (const FaultSpec& fault : settings_.faults) {
    if (fault.kind != FaultKind::clock_skew) column_index(names_, fault.sensor, "fault");
    (fault.kind == FaultKind::leak ? physical_ : measured).push_back(fault);
  }
  sensors_ = std::make_unique<FaultInjector>(names_, std::move(measured), settings_.seed);
  // The first row is that of a plant that is warm, not of the values its state begins with.
  std::vector<double> unseen(names_.size());
  for (int step = 0; step < kWarmUpSteps; ++step) model_->step(random_, unseen);
}

SimulatedPlant::~SimulatedPlant() = default;

bool SimulatedPlant::next(Row& row) {
  if (settings_.rows >= 0 && given_ == settings_.rows) return false;
  const auto since = static_cast<Nanoseconds>(static_cast<double>(given_) * plant_period_s(settings_.kind) * 1e9);
  row.time = settings_.start + since;
  row.values.resize(names_.size());
  label_ = false;
  double leak = 0;
  for (const FaultSpec& fault : physical_) {
    const Nanoseconds into = since - fault.start.ns;
    if (into < 0 || into >= fault.length.ns) continue;
    const double growth = static_cast<double>(into) / static_cast<double>(fault.length.ns) / kLeakGrowth;
    leak += (fault.size == 0 ? kLeakShare : fault.size) * std::min(growth, 1.0);
    const Nanoseconds end = settings_.start + fault.start.ns + fault.length.ns - 1;
    const bool known = std::any_of(physical_truth_.begin(), physical_truth_.end(),
                                   [&](const InjectedFault& f) { return f.end == end; });
    if (!known)
      physical_truth_.push_back({fault.kind, fault.sensor, facts(settings_.kind).leak_shows(), row.time, end});
  }
  model_->set_leak(std::clamp(leak, 0.0, 0.9));
  model_->step(random_, row.values);
  sensors_->apply(row);
  ++given_;
  for (const InjectedFault& fault : physical_truth_)
    label_ = label_ || (row.time >= fault.start && row.time <= fault.end);
  for (const InjectedFault& fault : sensors_->truth())
    label_ = label_ || (fault.kind != FaultKind::clock_skew && row.time >= fault.start && row.time <= fault.end);
  return true;
}

std::string SimulatedPlant::where() const { return fmt::format("{}:{}", facts(settings_.kind).name, given_); }

std::vector<InjectedFault> SimulatedPlant::truth() const {
  std::vector<InjectedFault> all = physical_truth_;
  all.insert(all.end(), sensors_->truth().begin(), sensors_->truth().end());
  std::stable_sort(all.begin(), all.end(),
                   [](const InjectedFault& a, const InjectedFault& b) { return a.start < b.start; });
  return all;
}

}  // namespace anomctl
