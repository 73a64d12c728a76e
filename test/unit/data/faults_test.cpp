#include "anomctl/data/faults.h"

#include <cmath>
#include <set>

#include "anomctl/core/error.h"
#include "anomctl/data/plant.h"
#include "anomctl/data/sensor_payload.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

// Two sensors, one row a second: a sine, and a ramp.
class Waves : public RowSource {
 public:
  const std::vector<std::string>& columns() const override { return names_; }
  bool next(Row& row) override {
    if (at_ == 400) return false;
    row.time = at_ * kSecond;
    row.values = {std::sin(static_cast<double>(at_) / 5), static_cast<double>(at_)};
    ++at_;
    return true;
  }

 private:
  std::vector<std::string> names_ = {"wave", "ramp"};
  std::int64_t at_ = 0;
};

struct Rows {
  std::vector<std::vector<double>> values;
  std::vector<Nanoseconds> skews;
  std::vector<InjectedFault> truth;
};

Rows rows_with(const std::string& fault, std::uint64_t seed = 1) {
  FaultySource source(std::make_unique<Waves>(), {parse_fault(fault)}, seed);
  Rows out;
  Row row;
  while (source.next(row)) {
    out.values.push_back(row.values);
    out.skews.push_back(row.clock_skew);
  }
  out.truth = source.truth();
  return out;
}

std::vector<std::vector<double>> plant_rows(PlantSettings settings) {
  SimulatedPlant plant(std::move(settings));
  std::vector<std::vector<double>> out;
  Row row;
  while (plant.next(row)) out.push_back(row.values);
  return out;
}

std::size_t sensor(const std::string& name) {
  const auto& columns = plant_columns(PlantKind::pump_loop);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (columns[c].name == name) return c;
  }
  FAIL("no sensor " + name);
  return 0;
}

}  // namespace

TEST_CASE("faults: text and back", "[faults]") {
  for (const char* text : {"stuck:flow_3@2m+30s", "drift:a b@0s+1h*2.5", "leak:x:y@10s+1m", "dead:flow@1m+5s",
                           "out_of_range:flow@0s+1s*-5", "clock_skew@10s+1m*-7200"}) {
    CHECK(format_fault(parse_fault(text)) == text);
  }
  const FaultSpec fault = parse_fault("stuck:flow_3@120s+30s");
  CHECK(fault.kind == FaultKind::stuck);
  CHECK(fault.sensor == "flow_3");
  CHECK(fault.start == seconds(120));
  CHECK(fault.length == seconds(30));
  for (const char* text :
       {"", "stuck", "stuck:a", "stuck:a@", "stuck:a@1s", "stuck:@1s+1s", "melt:a@1s+1s", "stuck:a@1s+0s",
        "stuck:a@x+1s", "drift:a@1s+1s*0", "drift:a@1s+1s*nan", "@:1s+1s", "dead@1s+1s", "clock_skew:a@1s+1s",
        "clock_skew:@1s+1s", "clock_skew@1s+1s*1e10", "replay:a@1s+1s*1e300"}) {
    CHECK_THROWS_AS(parse_fault(text), UsageError);
  }
  CHECK_THROWS_WITH(rows_with("stuck:ramq@1s+1s"), Contains("did you mean 'ramp'"));
}

TEST_CASE("faults: each kind does what it says, and only then and there", "[faults]") {
  const Rows clean = rows_with("stuck:ramp@1h+1s");
  CHECK(clean.truth.empty());
  for (const char* kind :
       {"offset", "drift", "stuck", "spike", "leak", "phase", "noise", "replay", "dead", "out_of_range"}) {
    const Rows rows = rows_with(std::string(kind) + ":ramp@100s+50s");
    INFO(kind);
    REQUIRE(rows.truth.size() == 1);
    CHECK(rows.truth[0].start == 100 * kSecond);
    CHECK(rows.truth[0].end == 150 * kSecond - 1);
    std::size_t changed = 0, elsewhere = 0;
    for (std::size_t r = 0; r < 400; ++r) {
      const bool inside = r >= 100 && r < 150;
      (inside ? changed : elsewhere) += rows.values[r][1] != clean.values[r][1];
      elsewhere += rows.values[r][0] != clean.values[r][0];
    }
    CHECK(elsewhere == 0);
    CHECK(changed >= 1);
    if (kind != std::string("dead")) CHECK(rows_with(std::string(kind) + ":ramp@100s+50s").values == rows.values);
  }
  CHECK(std::isnan(rows_with("dead:ramp@100s+50s").values[149][1]));
  CHECK(rows_with("out_of_range:ramp@100s+50s*-7").values[149][1] == -7 * 99);
  CHECK(rows_with("out_of_range:ramp@0s+50s").values[20][1] == 1e6);
  CHECK(rows_with("stuck:ramp@100s+50s").values[149][1] == 99);
  CHECK(rows_with("phase:ramp@100s+50s*20").values[120][1] == 100);
  CHECK(rows_with("leak:ramp@100s+50s*0.5").values[140][1] == Approx(70));
  const double deviation = std::sqrt((100.0 * 100.0 - 1) / 12);  // of 0..99
  CHECK(rows_with("offset:ramp@100s+50s*2").values[120][1] == Approx(120 + 2 * deviation));
  CHECK(rows_with("drift:ramp@100s+50s*2").values[125][1] == Approx(125 + deviation));
}

TEST_CASE("faults: a clock that is off changes stamps, not values, times of the source or labels", "[faults]") {
  const Rows clean = rows_with("stuck:ramp@1h+1s"), rows = rows_with("clock_skew@100s+50s*-30");
  CHECK(rows.values == clean.values);
  for (std::size_t r = 0; r < 400; ++r) REQUIRE(rows.skews[r] == (r >= 100 && r < 150 ? -30 * kSecond : 0));
  REQUIRE(rows.truth.size() == 1);
  CHECK(rows.truth[0].start == 100 * kSecond);
  CHECK(rows.truth[0].affected.empty());
  CHECK(anomalies_of(rows.truth).empty());
  SimulatedPlant plant({.rows = 3, .start = 1000 * kSecond, .faults = {parse_fault("clock_skew@1s+1s")}});
  Row row;
  std::string stamps;
  while (plant.next(row)) {
    CHECK_FALSE(plant.label());
    stamps += sensor_message({}, Row{row.time, {}, row.clock_skew});
  }
  CHECK(stamps == R"({"time":"1970-01-01T00:16:40Z"}{"time":"1970-01-01T01:16:41Z"}{"time":"1970-01-01T00:16:42Z"})");
}

TEST_CASE("plant: the same seed gives the same rows, another seed others", "[plant]") {
  const auto a = plant_rows({.seed = 3, .rows = 500});
  CHECK(a.size() == 500);
  CHECK(a == plant_rows({.seed = 3, .rows = 500}));
  CHECK(a != plant_rows({.seed = 4, .rows = 500}));
}

TEST_CASE("plant: readings stay physical over a day, load changes and the pump rests", "[plant]") {
  const auto rows = plant_rows({.seed = 1, .rows = 86'400});
  struct Bounds {
    const char* name;
    double lo, hi;
  };
  for (const Bounds& b :
       {Bounds{"speed", -20, 1700}, Bounds{"flow", -3, 125}, Bounds{"power", -1, 30}, Bounds{"motor_temp", 5, 110},
        Bounds{"bearing_temp", 5, 80}, Bounds{"tank_level", 2.5, 4.5}, Bounds{"vibration", 0, 6},
        Bounds{"suction_pressure", -0.5, 0.6}, Bounds{"discharge_pressure", -0.3, 6.5}, Bounds{"valve", 58, 102},
        Bounds{"makeup_flow", -1, 41}}) {
    const std::size_t c = sensor(b.name);
    double lo = 1e9, hi = -1e9;
    for (const auto& row : rows) {
      lo = std::min(lo, row[c]);
      hi = std::max(hi, row[c]);
    }
    INFO(b.name << " " << lo << " .. " << hi);
    CHECK(lo > b.lo);
    CHECK(hi < b.hi);
  }
  std::size_t idle = 0, low = 0, high = 0;
  for (const auto& row : rows) {
    idle += row[sensor("speed")] < 300;
    low += row[sensor("flow")] > 50 && row[sensor("flow")] < 70;
    high += row[sensor("flow")] > 90;
  }
  CHECK(idle > 4000);
  CHECK(idle < 20'000);
  CHECK(low > 8000);
  CHECK(high > 8000);
  const auto working = plant_rows({.seed = 1, .rows = 20'000, .idle_times = false});
  for (std::size_t r = 100; r < working.size(); ++r) REQUIRE(working[r][sensor("speed")] > 300);
}

TEST_CASE("plant: a leak shows in several sensors and is labelled with its cause", "[plant]") {
  PlantSettings settings{.seed = 2, .rows = 3000, .idle_times = false};
  const auto clean = plant_rows(settings);
  settings.faults = {parse_fault("leak:flow@1000s+1000s"), parse_fault("stuck:power@2500s+100s")};
  SimulatedPlant plant(settings);
  std::vector<std::vector<double>> rows;
  std::vector<bool> labels;
  Row row;
  while (plant.next(row)) {
    rows.push_back(row.values);
    labels.push_back(plant.label());
  }
  const auto mean = [&](const auto& r, const char* name) {
    double sum = 0;
    for (std::size_t i = 1500; i < 2000; ++i) sum += r[i][sensor(name)];
    return sum / 500;
  };
  CHECK(mean(rows, "makeup_flow") > mean(clean, "makeup_flow") + 2);
  CHECK(mean(rows, "power") > mean(clean, "power") * 1.05);
  CHECK(mean(rows, "ambient_temp") == Approx(mean(clean, "ambient_temp")));
  for (std::size_t i = 0; i < 1000; ++i) REQUIRE(rows[i] == clean[i]);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    REQUIRE(labels[i] == ((i >= 1000 && i < 2000) || (i >= 2500 && i < 2600)));
  }
  const auto truth = plant.truth();
  REQUIRE(truth.size() == 2);
  CHECK(truth[0].kind == FaultKind::leak);
  CHECK(truth[0].affected == std::vector<std::string>{"flow", "makeup_flow", "tank_level", "power", "speed"});
  CHECK(truth[1].sensor == "power");
  const auto anomalies = anomalies_of(truth);
  CHECK(anomalies[0].root_cause == "flow");
  CHECK(anomalies[0].category.as_string() == "leak");
  CHECK_THROWS_AS(SimulatedPlant({.faults = {parse_fault("leak:flaw@1s+1s")}}), UsageError);
}

TEST_CASE("plant: faults are spread over a time without overlap", "[plant]") {
  const auto faults = spread_faults(PlantKind::pump_loop, seconds(1000), seconds(10'000), 9, 5);
  REQUIRE(faults.size() == 9);
  std::set<FaultKind> kinds;
  Nanoseconds last = 1000 * kSecond;
  for (const FaultSpec& fault : faults) {
    CHECK(fault.start.ns >= last);
    last = fault.start.ns + fault.length.ns;
    CHECK(last <= 10'000 * kSecond);
    kinds.insert(fault.kind);
  }
  CHECK(kinds.size() == 7);
}
