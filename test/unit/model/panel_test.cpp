#include "anomctl/model/panel.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "anomctl/core/error.h"
#include "model/panel/stand_in.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

// Three sensors: a slow load, a linear image of it with noise, and one that follows the load a row later; the fourth is
// constant.
Matrix<double> plant(std::size_t rows, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> noise;
  Matrix<double> m;
  double load = 0, before = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    before = load;
    load = 0.95 * load + 0.3 * noise(random);
    m.append_row(std::vector<double>{10 + load, 50 - 4 * load + 0.2 * noise(random), before + 0.1 * noise(random), 7});
  }
  return m;
}

std::shared_ptr<const PanelModel> fitted() {
  const Matrix<double> rows = plant(2000, 1);
  const std::vector<RowRange> runs = {{0, 999}, {1000, 1999}};
  return std::make_shared<PanelModel>(fit_panel(rows, runs, {}, {}));
}

std::vector<PanelOpinion> judge(PanelScorer& scorer, const Matrix<double>& rows) {
  std::vector<PanelOpinion> out;
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    PanelOpinion o;
    if (scorer.push(rows.row(r), o)) out.push_back(o);
  }
  return out;
}

}  // namespace

TEST_CASE("the panel sees a broken relation whose values stay in range, and names the sensor") {
  Matrix<double> rows = plant(400, 2);
  for (std::size_t r = 200; r < 260; ++r) rows(r, 1) = 100 - rows(r, 1);  // mirrored: same spread, wrong sign
  PanelScorer scorer(fitted());
  const auto opinions = judge(scorer, rows);
  REQUIRE(opinions.size() == 397);
  double normal = 0, broken = 0, share = 0;
  for (std::size_t i = 0; i < opinions.size(); ++i) {
    const std::size_t row = i + 3;
    if (row < 200) normal += opinions[i].score / 197;
    if (row >= 205 && row < 260) broken += opinions[i].score / 55, share += opinions[i].share[1] / 55;
  }
  CHECK(normal < 1);
  CHECK(broken > 5 * normal);
  CHECK(share > 0.4);  // the sensor it broke with gets most of the rest
}

TEST_CASE("a start among normal rows is no more suspect than any other row") {
  const auto panel = fitted();
  const Matrix<double> rows = plant(6000, 9);
  PanelScorer running(panel), starting(panel);
  const auto usual = judge(running, rows);
  double limit = 0;  // that a tenth of a percent of rows in a long run is over
  {
    std::vector<double> scores;
    for (const auto& o : usual) scores.push_back(o.score);
    std::sort(scores.begin(), scores.end());
    limit = scores[scores.size() * 999 / 1000];
  }
  int over = 0;
  for (std::size_t start = 0; start + 20 <= rows.rows(); start += 20) {  // 300 starts of 20 rows
    starting.restart();
    PanelOpinion o;
    bool any = false;
    for (std::size_t r = start; r < start + 20; ++r) any = (starting.push(rows.row(r), o) && o.score > limit) || any;
    over += any ? 1 : 0;
  }
  CHECK(over <= 9);  // six of the 6,000 rows are over it in a long run
}

TEST_CASE("what a sensor should show comes from the others, in its unit") {
  Matrix<double> rows = plant(100, 3);
  PanelScorer scorer(fitted());
  judge(scorer, rows);
  std::vector<double> row(rows.row(99).begin(), rows.row(99).end());
  const double right = row[1];
  row[1] += 3;
  PanelOpinion o;
  REQUIRE(scorer.push(row, o));
  CHECK(std::fabs(o.expected[1] - right) < 1.5);
}

TEST_CASE("a model read back from JSON and a restored state give the same opinions") {
  const auto model = fitted();
  const auto copy = std::make_shared<PanelModel>(PanelModel::from_json(Json::parse(model->to_json().dump())));
  const Matrix<double> rows = plant(60, 4);
  PanelScorer a(model), b(copy);
  PanelOpinion x, y;
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    if (r == 30) {
      PanelScorer fresh(copy);
      fresh.restore(b.state());
      b = fresh;
    }
    REQUIRE(a.push(rows.row(r), x) == b.push(rows.row(r), y));
    CHECK(x.score == y.score);
    CHECK(x.share == y.share);
  }
  CHECK_THROWS_AS(a.restore(std::vector<double>(3, 0.0)), Error);
}

TEST_CASE("a missing cell does not poison later rows") {
  Matrix<double> rows = plant(50, 5);
  rows(20, 0) = std::numeric_limits<double>::quiet_NaN();
  PanelScorer scorer(fitted());
  for (const PanelOpinion& o : judge(scorer, rows)) {
    CHECK(std::isfinite(o.score));
    CHECK(o.score < 6);
  }
}

TEST_CASE("a dead sensor does not make the others look odd, and what breaks among them is still seen") {
  const Matrix<double> clean = plant(600, 8);
  for (const std::size_t dead : {0U, 1U, 2U}) {
    INFO("sensor " << dead);
    Matrix<double> rows = clean;
    for (std::size_t r = 200; r < 500; ++r) rows(r, dead) = std::numeric_limits<double>::quiet_NaN();
    PanelScorer scorer(fitted()), whole(fitted());
    double without = 0, with = 0, largest = 0;
    const auto usual = judge(whole, clean);
    std::vector<PanelOpinion> opinions;
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      PanelOpinion o;
      if (std::isnan(rows(r, dead))) scorer.forget(dead);  // as the detector does where it is known to be broken
      if (scorer.push(rows.row(r), o)) opinions.push_back(o);
    }
    for (std::size_t i = 200; i < 490; ++i) {
      without += opinions[i].score / 290;
      with += usual[i].score / 290;
      largest = std::max(largest, opinions[i].score);
      CHECK(std::isfinite(opinions[i].expected[dead]));
      if (i > 260) CHECK(opinions[i].share[dead] < 0.01);
    }
    CHECK(without < 1.5 * with);
    CHECK(largest < 4);
  }
  Matrix<double> rows = clean;
  for (std::size_t r = 200; r < 500; ++r) rows(r, 2) = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t r = 300; r < 340; ++r) rows(r, 1) = 100 - rows(r, 1);
  PanelScorer scorer(fitted());
  const auto opinions = judge(scorer, rows);
  double broken = 0;
  for (std::size_t row = 305; row < 340; ++row) broken += opinions[row - 3].score / 35;
  CHECK(broken > 3);
}

TEST_CASE("what stands in is what is most likely") {
  const std::size_t k = 4;
  Matrix<double> precision(k, k), effects(2, k);
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t j = 0; j < k; ++j) precision(i, j) = i == j ? 2 : -0.3 * static_cast<double>(i + j) / 4;
  for (std::size_t j = 0; j < k; ++j)
    effects(0, j) = j == 1 ? 0 : 0.5, effects(1, j) = j == 1 ? 0 : 0.2 * static_cast<double>(j);
  const std::vector<std::uint8_t> missing = {0, 1, 0, 0};
  const std::vector<double> known = {1.5, 0, -2, 0.7};
  const Matrix<double> gain = stand_in_gain(precision, missing, effects);
  REQUIRE(gain.rows() == 3);
  std::vector<double> best(3, 0);
  for (std::size_t n = 0; n < 3; ++n)
    for (std::size_t j = 0; j < k; ++j) best[n] += gain(n, j) * known[j];
  const auto cost = [&](const std::vector<double>& u) {
    std::vector<double> e = known;
    e[1] = u[0];
    for (std::size_t j = 0; j < k; ++j) e[j] += u[1] * effects(0, j) + u[2] * effects(1, j);
    double sum = u[1] * u[1] + u[2] * u[2];
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = 0; j < k; ++j) sum += e[i] * precision(i, j) * e[j];
    return sum;
  };
  for (std::size_t n = 0; n < 3; ++n)
    for (const double step : {-1e-3, 1e-3}) {
      std::vector<double> other = best;
      other[n] += step;
      CHECK(cost(other) > cost(best));
    }
}

TEST_CASE("rows that must not be used are left out, too few are refused") {
  Matrix<double> rows = plant(500, 6);
  std::vector<std::uint8_t> use(500, 1);
  for (std::size_t r = 100; r < 120; ++r) rows(r, 0) = 1e9, use[r] = 0;
  const std::vector<RowRange> runs = {{0, 499}};
  const PanelModel m = fit_panel(rows, runs, use, {});
  CHECK(m.deviation[0] < 10);
  CHECK(m.deviation[3] == 1);
  std::fill(use.begin() + 20, use.end(), std::uint8_t{0});
  CHECK_THROWS_AS(fit_panel(rows, runs, use, {}), Error);
}

TEST_CASE("a tail says how rare a score is") {
  std::vector<double> scores;
  for (int i = 0; i < 1000; ++i) scores.push_back(i / 1000.0);
  const TailCurve tail = TailCurve::fit(scores);
  CHECK(tail.surprise(0.9) == Approx(1).margin(0.01));
  CHECK(tail.surprise(-5) == Approx(0).margin(0.001));
  CHECK(tail.surprise(2) > tail.surprise(1.5));
  CHECK(std::isfinite(tail.surprise(1e12)));
}

TEST_CASE("the relation network becomes a member where it explains what the linear panel leaves over") {
  std::mt19937 random(21);
  std::normal_distribution<double> noise;
  const auto product_plant = [&](std::size_t n) {
    Matrix<double> rows;
    double a = 0, b = 0;
    for (std::size_t r = 0; r < n; ++r) {
      a = 0.9 * a + 0.4 * noise(random);
      b = 0.9 * b + 0.4 * noise(random);
      rows.append_row(std::vector<double>{a, b, a * b + 0.05 * noise(random)});
    }
    return rows;
  };
  const Matrix<double> train = product_plant(4000);
  const std::vector<RowRange> runs = {{0, 3999}};
  auto model = std::make_shared<PanelModel>(fit_panel(train, runs, {}, {}));
  const auto linear = std::make_shared<PanelModel>(*model);
  RelationSettings settings;
  settings.epochs = 15;
  settings.width = 8;
  settings.hidden = 16;
  const RelationNetwork trained = fit_network_member(*model, train, runs, {}, settings);
  REQUIRE(model->network);
  CHECK(trained.explained[2] > 0.5);
  CHECK(describe_voice(trained).find("explains") != std::string::npos);

  // The product takes another course of itself: in range, but against its factors.
  Matrix<double> test = product_plant(600);
  for (std::size_t r = 300; r < 360; ++r) test(r, 2) = test(r - 250, 2);
  const auto contrast = [&](const std::shared_ptr<const PanelModel>& m) {
    PanelScorer scorer(m);
    const auto opinions = judge(scorer, test);
    double normal = 0, broken = 0;
    const std::size_t skipped = m->warm_up;
    for (std::size_t i = 0; i < opinions.size(); ++i) {
      const std::size_t row = i + skipped;
      if (row < 300) normal += opinions[i].score / 297;
      if (row >= 310 && row < 360) broken += opinions[i].score / 50;
    }
    return broken - normal;
  };
  CHECK(contrast(model) > contrast(linear));
  CHECK(contrast(model) > 1);
  const PanelModel copy = PanelModel::from_json(Json::parse(model->to_json().dump()), model->network_values());
  CHECK(copy.voice == model->voice);
  CHECK_THROWS_AS(PanelModel::from_json(model->to_json()), Error);
}

TEST_CASE("a chart knows all the places that a plant has been at, not only the last") {
  // The level wanders between two places; the held-out rows see one of them.
  Matrix<double> rows = plant(3000, 3);
  for (std::size_t r = 0; r < 1500; ++r) rows(r, 0) += 3;
  const std::vector<RowRange> runs = {{0, 2999}};
  PanelScorer scorer(std::make_shared<PanelModel>(fit_panel(rows, runs, {}, {})));
  double largest = 0;
  for (const PanelOpinion& o : judge(scorer, rows)) largest = std::max(largest, o.surprise[0]);
  CHECK(largest < 5);
}

TEST_CASE("a bundle of old keeps the weight that its network had") {
  const auto model = fitted();
  Json json = model->to_json();
  Json old = Json::object();
  for (const auto& [name, value] : json.as_object())
    if (name != "all_tails" && name != "chart_clip") old[name] = value;
  const PanelModel read = PanelModel::from_json(old);
  CHECK(read.all_tails[0].sample.empty());
  CHECK(std::isinf(read.chart_clip));
  CHECK(read.surprise(0, 100) == read.tails[0].surprise(100));
  CHECK(model->surprise(0, 100) <= model->tails[0].surprise(100));
  CHECK(read.to_json().dump() == old.dump());
}

namespace {

// The second sensor stands `shift` off from the first row on, and drifts on by `drift` a row after row 300.
std::vector<PanelOpinion> shifted(const std::shared_ptr<const PanelModel>& model, double shift, double drift,
                                  std::int64_t healthy_start) {
  Matrix<double> rows = plant(1200, 5);
  for (std::size_t r = 0; r < rows.rows(); ++r)
    rows(r, 1) += shift + drift * std::max(0.0, static_cast<double>(r) - 300);
  PanelScorer scorer(model, healthy_start);
  return judge(scorer, rows);
}

double mean_score(const std::vector<PanelOpinion>& opinions, std::size_t first, std::size_t last) {
  double sum = 0;
  for (std::size_t i = first; i < last; ++i) sum += opinions[i].score / static_cast<double>(last - first);
  return sum;
}

}  // namespace

TEST_CASE("a healthy start takes a moved level for usual, and never makes a score higher") {
  const auto model = fitted();
  const auto plain = shifted(model, 0.4, 0, 0), centred = shifted(model, 0.4, 0, 100);
  CHECK(mean_score(plain, 200, 1100) > 1);
  CHECK(mean_score(centred, 200, 1100) < 0.7 * mean_score(plain, 200, 1100));
  for (std::size_t i = 0; i < plain.size(); ++i) REQUIRE(centred[i].score <= plain[i].score + 1e-12);
}

TEST_CASE("a healthy start does not learn a slow drift, nor hide a fault that is large from the start") {
  const auto model = fitted();
  const auto plain = shifted(model, 0, 0.004, 0), centred = shifted(model, 0, 0.004, 100);
  CHECK(mean_score(centred, 1000, 1190) > 0.8 * mean_score(plain, 1000, 1190));
  CHECK(mean_score(shifted(model, 4, 0, 100), 200, 1100) > 5);
}

TEST_CASE("the state of a healthy start is kept over a restart") {
  const auto model = fitted();
  const Matrix<double> rows = plant(300, 6);
  PanelScorer straight(model, 100), broken(model, 100);
  PanelOpinion a, b;
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    PanelScorer next(model, 100);
    next.restore(broken.state());
    broken = std::move(next);
    REQUIRE(straight.push(rows.row(r), a) == broken.push(rows.row(r), b));
    REQUIRE(a.score == b.score);
  }
}
