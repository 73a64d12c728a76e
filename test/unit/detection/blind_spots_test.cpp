// Faults in normal rows, and which of them a bundle tells.
#include "anomctl/detection/blind_spots.h"

#include <cmath>
#include <random>

#include "anomctl/core/error.h"
#include "support/catch.h"
#include "support/fake_model.h"

using namespace anomctl;

namespace {

// Two sensors that move together and one that is noise.
Part normal_rows(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> noise;
  Part part;
  part.values = Matrix<double>(n, 3);
  double load = 0;
  for (std::size_t r = 0; r < n; ++r) {
    load = 0.98 * load + 0.2 * noise(random);
    part.values(r, 0) = 10 + load + 0.05 * noise(random);
    part.values(r, 1) = 50 - 3 * load + 0.15 * noise(random);
    part.values(r, 2) = noise(random);
    part.times.push_back(static_cast<Nanoseconds>(r) * kSecond);
  }
  part.labels.assign(n, 0);
  part.runs = {{0, static_cast<std::int64_t>(n) - 1}};
  return part;
}

std::shared_ptr<Bundle> panel_bundle(const Part& train) {
  auto b = std::make_shared<Bundle>();
  b->name = "pair";
  b->kind = "panel";
  b->columns = {{"a"}, {"b"}, {"noise"}};
  b->period_s = 1;
  b->settings.n_features = b->settings.out_dim = 3;
  b->settings.window_size = 10;
  b->scaler = Scaler::fit(Scaler::Kind::standard, train.values, {});
  b->panel = std::make_shared<PanelModel>(fit_panel(train.values, train.runs, {}, {}));
  b->thresholds["given"] = 4;
  b->chosen_threshold = "given";
  return b;
}

DrillSettings few() {
  DrillSettings s;
  s.kinds = {FaultKind::offset, FaultKind::replay};
  s.sizes = {0.01, 3};
  s.fault_rows = 40;
  s.places = 4;
  return s;
}

Drill drill(const std::shared_ptr<Bundle>& bundle, const Part& part, const DrillSettings& settings,
            std::vector<std::uint8_t> normal = {}) {
  if (normal.empty()) normal.assign(part.labels.size(), 1);
  return find_blind_spots(bundle, nullptr, part, normal, {1, 3, 1}, {0, 1, 2}, settings, {}, {});
}

}  // namespace

TEST_CASE("large faults of sensors that belong together are found, tiny ones and those of noise are blind spots") {
  const auto bundle = panel_bundle(normal_rows(3000, 1));
  const Drill found = drill(bundle, normal_rows(3000, 2), few());
  REQUIRE(found.cases.size() == 9);
  REQUIRE(found.places == 4);
  for (const DrillCase& c : found.cases) {
    INFO(c.sensor << " " << fault_name(c.kind) << " " << c.size);
    CHECK(c.tried == 4);
    if (c.size == 0.01) CHECK(c.found == 0);
    if (c.size == 3 && c.sensor < 2) {
      CHECK(c.found == 4);
      CHECK(c.delay_rows < 10);
    }
    if (c.kind == FaultKind::replay && c.sensor == 2) CHECK(c.found == 0);  // noise of before is noise
    CHECK(c.named <= c.found);
    CHECK(std::isnan(c.delay_rows) == (c.found == 0));
  }
  const Drill again = drill(bundle, normal_rows(3000, 2), few());
  for (std::size_t i = 0; i < again.cases.size(); ++i) CHECK(again.cases[i].found == found.cases[i].found);
}

TEST_CASE("a sensor that stands still cannot be stuck") {
  const auto bundle = panel_bundle(normal_rows(3000, 1));
  Part part = normal_rows(3000, 2);
  for (std::size_t r = 0; r < 3000; ++r) part.values(r, 2) = 0.25;
  DrillSettings s = few();
  s.kinds = {FaultKind::stuck};
  const Drill found = drill(bundle, part, s);
  CHECK(found.cases.at(2).tried == 0);
  CHECK(found.cases.at(0).tried == found.places);
}

TEST_CASE("places with an alert of their own are left out, and without any normal stretch there is an error") {
  const auto bundle = panel_bundle(normal_rows(3000, 1));
  Part part = normal_rows(3000, 2);
  for (std::size_t r = 1500; r < 3000; ++r) part.values(r, 0) += 30 + static_cast<double>(r % 7);
  const Drill found = drill(bundle, part, few());
  CHECK(found.loud > 0);
  CHECK(found.places > 0);
  std::vector<std::uint8_t> normal(3000, 1);
  for (std::size_t r = 0; r < 3000; r += 50) normal[r] = 0;
  CHECK_THROWS_AS(drill(bundle, part, few(), normal), Error);
  CHECK_THROWS_AS(has_size(FaultKind::leak), UsageError);
}
