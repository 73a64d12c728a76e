// The equations of plant.h hold in the readings of the simulated plants.
#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "anomctl/core/error.h"
#include "anomctl/data/plant.h"

namespace anomctl {
namespace {

using Readings = std::map<std::string, std::vector<double>>;

Readings readings(const PlantSettings& settings) {
  SimulatedPlant plant(settings);
  const auto& columns = plant_columns(settings.kind);
  Readings out;
  Row row;
  while (plant.next(row)) {
    for (std::size_t c = 0; c < columns.size(); ++c) out[columns[c].name].push_back(row.values[c]);
  }
  return out;
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  double ma = 0, mb = 0;
  for (std::size_t r = 0; r < a.size(); ++r) ma += a[r], mb += b[r];
  ma /= static_cast<double>(a.size());
  mb /= static_cast<double>(b.size());
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t r = 0; r < a.size(); ++r) {
    ab += (a[r] - ma) * (b[r] - mb);
    aa += (a[r] - ma) * (a[r] - ma);
    bb += (b[r] - mb) * (b[r] - mb);
  }
  return ab / std::sqrt(aa * bb);
}

}  // namespace

TEST_CASE("plants: names", "[plant]") {
  CHECK(parse_plant("pump-loop") == PlantKind::pump_loop);
  CHECK(parse_plant("mixing-station") == PlantKind::mixing_station);
  CHECK(parse_plant("linear-plant") == PlantKind::linear_plant);
  CHECK_THROWS_WITH(parse_plant("pump"), Catch::Contains("pump-loop, mixing-station, linear-plant, nonlinear-plant"));
}

TEST_CASE("plants: the mixing station has products, a switch and saturation", "[plant]") {
  auto r = readings({.kind = PlantKind::mixing_station, .seed = 2, .rows = 20'000});
  const std::size_t n = r["feed_a"].size();
  double product = 0, power = 0;
  std::size_t open = 0, cold = 0, first = 0, both = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double solute = r["feed_a"][i] * r["conc_a"][i] + r["feed_b"][i] * r["conc_b"][i];
    product += std::fabs(solute - r["solute_flow"][i]) / static_cast<double>(n);
    power += std::fabs(8e-6 * std::pow(r["agitator_speed"][i], 3) * (0.7 + 0.006 * r["conc_out"][i]) -
                       r["agitator_power"][i]) /
             static_cast<double>(n);
    open += r["steam_valve"][i] > 98;
    cold += r["outlet_temp"][i] < 58;
    first += r["pump_1_current"][i] > 2;
    both += r["pump_1_current"][i] > 2 && r["pump_2_current"][i] > 2;
  }
  CHECK(product < 40);  // of about 3500 kg/h: what the instruments add
  CHECK(power < 0.1);
  CHECK(open > n / 50);
  CHECK(open < n / 2);
  CHECK(cold > n / 100);
  CHECK(first > n / 4);
  CHECK(first < 3 * n / 4);
  CHECK(both < n / 100);
}

TEST_CASE("plants: the nonlinear plant keeps its relations and hides them from a straight line", "[plant]") {
  CHECK(parse_plant("nonlinear-plant") == PlantKind::nonlinear_plant);
  auto r = readings({.kind = PlantKind::nonlinear_plant, .seed = 3, .rows = 40'000});
  double square = 0, product = 0, chosen = 0;
  const auto n = static_cast<double>(r["u1"].size());
  for (std::size_t i = 0; i < r["u1"].size(); ++i) {
    const auto u = [&](const char* name) { return r[name][i] - 10; };
    product += std::fabs(u("product_12") - u("u1") * u("u2")) / n;
    square += std::fabs(u("square_3") - u("u3") * u("u3")) / n;
    chosen += std::fabs(u("chosen_16") - (r["mode"][i] > 0.5 ? u("u1") : u("u6"))) / n;
  }
  CHECK(product < 0.4);
  CHECK(square < 0.4);
  CHECK(chosen < 0.3);
  for (const char* other : {"u1", "u2", "u3", "u4", "u5", "u6", "mode"}) {
    INFO(other);
    CHECK(std::fabs(correlation(r["product_12"], r[other])) < 0.45);
    CHECK(std::fabs(correlation(r["signed_3"], r[other])) < 0.45);
  }
}

TEST_CASE("plants: a replayed sensor stays in its range and loses its relations", "[plant]") {
  PlantSettings settings{.kind = PlantKind::linear_plant, .seed = 4, .rows = 9000};
  const auto clean = readings(settings);
  settings.faults = {parse_fault("replay:x1@5000s+3000s")};
  const auto faulty = readings(settings);
  double lo = 1e9, hi = -1e9, own_lo = 1e9, own_hi = -1e9;
  std::vector<double> before, after;
  for (std::size_t i = 5000; i < 8000; ++i) {
    CHECK(faulty.at("x1")[i] == clean.at("x1")[i - 1800]);
    CHECK(faulty.at("x2")[i] == clean.at("x2")[i]);
  }
  for (std::size_t i = 0; i < 5000; ++i)
    own_lo = std::min(own_lo, clean.at("x1")[i]), own_hi = std::max(own_hi, clean.at("x1")[i]);
  for (std::size_t i = 5000; i < 8000; ++i)
    lo = std::min(lo, faulty.at("x1")[i]), hi = std::max(hi, faulty.at("x1")[i]);
  CHECK(lo >= std::min(own_lo, *std::min_element(clean.at("x1").begin() + 3200, clean.at("x1").begin() + 6200)));
  CHECK(hi <= std::max(own_hi, *std::max_element(clean.at("x1").begin() + 3200, clean.at("x1").begin() + 6200)));
  const auto part = [](const std::vector<double>& v) {
    return std::vector<double>(v.begin() + 5000, v.begin() + 8000);
  };
  CHECK(std::fabs(correlation(part(clean.at("x1")), part(clean.at("x5")))) >
        std::fabs(correlation(part(faulty.at("x1")), part(clean.at("x5")))));
}

}  // namespace anomctl
