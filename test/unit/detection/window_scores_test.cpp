#include "anomctl/detection/detector.h"
#include "anomctl/detection/replay.h"
#include "support/catch.h"
#include "support/fake_model.h"

using namespace anomctl;
using namespace anomctl::test;

namespace {

constexpr std::size_t kRows = 12;  // w + 1

std::shared_ptr<Bundle> bundle_of(bool with_panel, double voice) {
  auto bundle = std::make_shared<Bundle>(fake_bundle());
  bundle->settings.window_size = static_cast<std::int64_t>(kRows - 1);
  if (!with_panel) return bundle;
  Matrix<double> rows;
  for (const Row& row : random_rows(200, 3, 3)) rows.append_row(row.values);
  const std::vector<RowRange> runs{{0, 199}};
  bundle->panel = std::make_shared<const PanelModel>(fit_panel(rows, runs, {}, {}));
  bundle->kind = voice > 0 ? "panel+mtad-gat" : "panel";
  bundle->network_voice = voice;
  if (voice > 0) {
    bundle->weights["w"] = {{1}, {1}};  // what it holds is the fake model's business
    bundle->network_tail = TailCurve::fit({0.1, 0.2, 0.5, 1, 2, 3, 5});
  }
  return bundle;
}

// With a relation network that speaks, for its third sensor is the product of the others.
std::shared_ptr<Bundle> bundle_with_relation_network() {
  auto bundle = bundle_of(true, 0.25);
  Matrix<double> rows;
  for (const Row& row : random_rows(2000, 3, 4)) {
    std::vector<double> values = row.values;
    values[2] = values[0] * values[1] + 0.05 * values[2];
    rows.append_row(values);
  }
  const std::vector<RowRange> runs{{0, 1999}};
  auto panel = std::make_shared<PanelModel>(fit_panel(rows, runs, {}, {}));
  RelationSettings settings;
  settings.epochs = 12;
  settings.width = 8;
  settings.hidden = 16;
  fit_network_member(*panel, rows, runs, {}, settings);
  bundle->panel = panel;
  return bundle;
}

}  // namespace

TEST_CASE("a window scored by itself gets the score of a detector that has just warmed up with it") {
  const auto [with_panel, voice] = GENERATE(std::pair(false, 0.0), std::pair(true, 0.0), std::pair(true, 0.25));
  const auto bundle = bundle_of(with_panel, voice);
  const auto model = fake_model(*bundle);
  for (unsigned seed = 1; seed <= 3; ++seed) {
    const auto rows = random_rows(kRows, 3, seed);
    std::vector<double> window;
    Detector detector(bundle, model, {});
    Verdict verdict;
    for (const Row& row : rows) {
      window.insert(window.end(), row.values.begin(), row.values.end());
      verdict = detector.push(row);
    }
    const WindowScores scores = score_windows(*bundle, *model, {1, window});
    CHECK(scores.score[0] == Approx(verdict.score).epsilon(1e-12));
    const RowScore& row = detector.last_score();
    for (std::size_t c = 0; c < 3; ++c) {
      CHECK(scores.contribution(0, c) == Approx(row.per_sensor[c]).epsilon(1e-12));
      CHECK(scores.expected(0, c) == Approx(row.expected[c]).epsilon(1e-12));
    }
  }
}

TEST_CASE("a panel whose parts are made elsewhere gives the verdicts of one that makes them, byte for byte") {
  const int kind = GENERATE(0, 1, 2);
  const auto bundle = kind == 2 ? bundle_with_relation_network() : bundle_of(true, kind == 1 ? 0.25 : 0.0);
  CHECK((bundle->panel->voice > 0) == (kind == 2));
  bundle->thresholds["pot"] = 1.0;
  bundle->chosen_threshold = "pot";
  const auto model = fake_model(*bundle);
  const auto told = std::make_shared<const Bundle>(
      bundle_from_json(Json::parse(bundle_for_client(*bundle).dump()), "what the server says"));
  CHECK(told->panel == nullptr);
  REQUIRE(told->voices != nullptr);
  std::string names[] = {bundle->columns[0].name, bundle->columns[1].name};
  const DetectorOptions options{
      .asset = "pump", .healthy_start = kind == 0 ? 0 : 40, .active_when = names[1] + " > -1.8"};
  Detector here(bundle, model, options), there(told, nullptr, options);
  std::size_t scored = 0, asked = 0, row_number = 0;
  PanelParts parts;
  for (const Row& row : troubled_rows(400, 12)) {
    const std::string expected = to_json(here.push(row)).dump();
    scored += here.last_score().scored;
    if (++row_number % 50 == 0) {  // a restart of the manager
      Detector next(told, nullptr, options);
      next.restore(there.snapshot());
      there = std::move(next);
    }
    there.prepare(row);
    const auto window = there.window_elsewhere();
    if (!window) {
      CHECK(to_json(there.judge_elsewhere({})).dump() == expected);
      continue;
    }
    ++asked;
    const WindowScores scores = score_windows(*bundle, *model, {1, window->rows, window->missing});
    const auto part = [&](MemberPart which) {
      const auto values = scores.members.row(0).subspan(3 * static_cast<std::size_t>(which), 3);
      return std::vector<double>(values.begin(), values.end());
    };
    parts = {part(MemberPart::z),
             part(MemberPart::relation),
             part(MemberPart::var),
             part(MemberPart::network),
             {scores.expected(0, 0), scores.expected(0, 1), scores.expected(0, 2)}};
    const std::vector<double> contribution = part(MemberPart::contribution);
    REQUIRE(to_json(there.judge_elsewhere({contribution, scores.expected.row(0), &parts})).dump() == expected);
  }
  CHECK(scored > 150);
  CHECK(asked > scored);
}
