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
    const WindowScores scores = score_windows(*bundle, *model, window, 1);
    CHECK(scores.score[0] == Approx(verdict.score).epsilon(1e-12));
    const RowScore& row = detector.last_score();
    for (std::size_t c = 0; c < 3; ++c) {
      CHECK(scores.contribution(0, c) == Approx(row.per_sensor[c]).epsilon(1e-12));
      CHECK(scores.expected(0, c) == Approx(row.expected[c]).epsilon(1e-12));
    }
  }
}
