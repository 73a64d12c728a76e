// Detector::take_over: another bundle of the same sensors judges on.
#include "anomctl/detection/detector.h"
#include "anomctl/detection/replay.h"
#include "support/catch.h"
#include "support/fake_model.h"

using namespace anomctl;
using namespace anomctl::test;

namespace {

std::shared_ptr<Bundle> bundle_of(std::size_t window, double gamma, const std::string& name, bool with_panel = false) {
  auto bundle = std::make_shared<Bundle>(fake_bundle());
  bundle->name = name;
  bundle->settings.window_size = static_cast<std::int64_t>(window);
  bundle->score = ScoreSettings::reference(gamma);
  if (!with_panel) return bundle;
  Matrix<double> rows;
  for (const Row& row : random_rows(200, 3, 3)) rows.append_row(row.values);
  bundle->panel = std::make_shared<const PanelModel>(fit_panel(rows, {{{0, 199}}}, {}, {}));
  bundle->kind = "panel";
  return bundle;
}

void limit(Bundle& bundle, double value) {
  bundle.thresholds["pot"] = value;
  bundle.chosen_threshold = "pot";
}

}  // namespace

TEST_CASE("who takes over judges as if it had always judged, where its window is no longer") {
  const auto before = bundle_of(6, 1, "old");
  const std::size_t window = GENERATE(6U, 5U, 3U);
  const auto after = bundle_of(window, 0.5, "new");
  const auto old_model = fake_model(*before), new_model = fake_model(*after);
  const auto rows = random_rows(40, 3, 7);
  for (std::size_t at = 0; at < rows.size(); ++at) {
    Detector old(before, old_model, {}), fresh(after, new_model, {}), always(after, new_model, {});
    for (std::size_t i = 0; i < at; ++i) old.push(rows[i]), always.push(rows[i]);
    const std::size_t wait = fresh.take_over(old, *new_model);
    CHECK(wait == (window + 1) - std::min(window + 1, at));
    for (std::size_t i = at; i < rows.size(); ++i) {
      const Verdict got = fresh.push(rows[i]), wanted = always.push(rows[i]);
      REQUIRE(to_json(got).dump() == to_json(wanted).dump());
    }
  }
}

TEST_CASE("a longer window says how many rows it must wait for, and judges then") {
  const auto before = bundle_of(4, 1, "old"), after = bundle_of(9, 1, "new");
  const auto old_model = fake_model(*before), new_model = fake_model(*after);
  const auto rows = random_rows(30, 3, 8);
  Detector old(before, old_model, {}), fresh(after, new_model, {});
  for (std::size_t i = 0; i < 20; ++i) old.push(rows[i]);
  CHECK(fresh.take_over(old, *new_model) == 5);
  for (std::size_t i = 20; i < 30; ++i) CHECK((fresh.push(rows[i]).state == State::warmup) == (i < 24));
}

TEST_CASE("an open episode stays open and closes once, in the new name; equal settings carry all state") {
  const bool alike = GENERATE(true, false), with_panel = GENERATE(true, false);
  const auto before = bundle_of(4, 1, "old", with_panel), after = bundle_of(4, alike ? 1 : 0.9, "new", with_panel);
  limit(*before, -1);
  limit(*after, 1e6);
  const auto model = fake_model(*before);
  DetectorOptions options;
  options.episodes.off_rows = 3;
  Detector old(before, model, options), fresh(after, model, options);
  const auto rows = random_rows(200, 3, 9);
  for (std::size_t i = 0; i < 150; ++i) old.push(rows[i]);
  const auto opened = old.take_episodes();
  REQUIRE(opened.size() == 1);
  CHECK(fresh.take_over(old, *model) == 0);
  CHECK(fresh.take_episodes().empty());
  CHECK(fresh.counts().rows == 150);
  std::vector<Episode> closed;
  for (std::size_t i = 150; i < 200; ++i) {
    CHECK(std::isfinite(fresh.push(rows[i]).score));
    for (Episode& episode : fresh.take_episodes()) closed.push_back(std::move(episode));
  }
  REQUIRE(closed.size() == 1);
  CHECK(closed[0].closed);
  CHECK(closed[0].id == opened[0].id);
  CHECK(closed[0].model == "new");
  CHECK(fresh.counts().rows == 200);
}
