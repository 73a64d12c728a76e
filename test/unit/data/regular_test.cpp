#include "anomctl/data/regular.h"

#include <cmath>
#include <limits>
#include <optional>

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct Given {
  double time_s;
  std::vector<double> values;
  bool label = false, starts_run = false;
  bool operator==(const Given&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Given& g) {
  out << "{" << g.time_s << ": ";
  for (const double v : g.values) out << v << " ";
  return out << (g.label ? "label " : "") << (g.starts_run ? "start" : "") << "}";
}

class Listed : public LabelledSource {
 public:
  explicit Listed(std::vector<Given> rows) : rows_(std::move(rows)), names_(rows_.front().values.size(), "c") {}
  const std::vector<std::string>& columns() const override { return names_; }
  bool next(Row& row) override {
    if (at_ == rows_.size()) return false;
    row.time = static_cast<Nanoseconds>(std::llround(rows_[at_].time_s * 1e9));
    row.values = rows_[at_++].values;
    return true;
  }
  bool label() const override { return rows_[at_ - 1].label; }
  bool starts_run() const override { return rows_[at_ - 1].starts_run; }
  std::string where() const override { return "list:" + std::to_string(at_); }

 private:
  std::vector<Given> rows_;
  std::vector<std::string> names_;
  std::size_t at_ = 0;
};

struct Result {
  std::vector<Given> rows;
  ReadReport report;
};

Result run(std::vector<Given> rows, RegularSettings settings) {
  Result result;
  const auto source = make_regular(std::make_unique<Listed>(std::move(rows)), settings, result.report);
  Row row;
  while (source->next(row)) {
    result.rows.push_back({static_cast<double>(row.time) / 1e9, row.values, source->label(), source->starts_run()});
  }
  return result;
}

std::vector<double> times(const Result& result) {
  std::vector<double> out;
  for (const Given& g : result.rows) out.push_back(g.time_s);
  return out;
}

}  // namespace

TEST_CASE("regular: rows in order pass as they are, a long pause starts a run", "[regular]") {
  const Result r = run({{0, {1}}, {1, {2}, true}, {2, {3}}, {60, {4}}, {61, {5}}}, {});
  CHECK(r.rows ==
        std::vector<Given>{{0, {1}, false, true}, {1, {2}, true, false}, {2, {3}}, {60, {4}, false, true}, {61, {5}}});
  CHECK(r.report.gaps == 1);
}

TEST_CASE("regular: repeated and backward stamps are dropped, counted and located", "[regular]") {
  std::vector<Given> rows;
  for (int i = 0; i < 100; ++i) rows.push_back({double(i), {double(i)}});
  rows.insert(rows.begin() + 50, {49, {-1}});
  rows.insert(rows.begin() + 70, {3, {-1}});
  const Result r = run(rows, {});
  CHECK(r.rows.size() == 100);
  CHECK(r.report.duplicate_stamps.count == 1);
  CHECK(r.report.duplicate_stamps.first == "list:51");
  CHECK(r.report.backward_stamps.count == 1);
  CHECK(r.report.backward_stamps.first == "list:71");
  for (const Given& g : r.rows) CHECK(g.values[0] == g.time_s);
}

TEST_CASE("regular: rows that are mostly out of order are an error", "[regular]") {
  std::vector<Given> rows;
  for (int i = 0; i < 100; ++i) rows.push_back({double(100 - i), {1}});
  CHECK_THROWS_WITH(run(rows, {}), Contains("list:2: 99 of 100 rows have stamps that go back in time: sort"));
  for (int i = 0; i < 100; ++i) rows[static_cast<std::size_t>(i)].time_s = i / 10;
  CHECK_THROWS_WITH(run(rows, {}), Contains("repeat the stamp of the row before"));
}

TEST_CASE("regular: missing values are held, interpolated or cost the row", "[regular]") {
  const std::vector<Given> rows = {{0, {0, 5}}, {1, {kNone, 5}}, {2, {kNone, 5}}, {3, {30, 5}}, {4, {40, 5}}};
  Result r = run(rows, {.fill = Fill::hold});
  CHECK(r.rows[2].values == std::vector<double>{0, 5});
  CHECK(r.report.filled_cells == 2);
  r = run(rows, {.fill = Fill::interpolate});
  REQUIRE(r.rows.size() == 5);
  CHECK(r.rows[1].values == std::vector<double>{10, 5});
  CHECK(r.rows[2].values == std::vector<double>{20, 5});
  CHECK(r.report.filled_cells == 2);
  r = run(rows, {.fill = Fill::drop});
  CHECK(times(r) == std::vector<double>{0, 3, 4});
  CHECK(r.rows[1].starts_run);
  CHECK(r.report.dropped_rows.count == 2);
  CHECK(r.report.dropped_by_column == std::vector<std::int64_t>{2, 0});
}

TEST_CASE("regular: nothing is filled over more than the longest gap, nor over the border of a run", "[regular]") {
  std::vector<Given> rows = {{0, {1, 1}}, {1, {kNone, 1}}, {2, {kNone, 1}}, {3, {kNone, 1}}, {4, {9, 1}}, {5, {9, 1}}};
  const std::vector<Nanoseconds> two = {2 * kSecond, 2 * kSecond};
  Result r = run(rows, {.fill = Fill::hold, .column_gap = two});
  CHECK(times(r) == std::vector<double>{0, 1, 2, 4, 5});
  CHECK(r.rows[3].starts_run);
  r = run(rows, {.fill = Fill::interpolate, .column_gap = two});
  CHECK(times(r) == std::vector<double>{0, 4, 5});
  CHECK(r.rows[1].starts_run);
  rows = {{0, {1}}, {1, {2}}, {2, {kNone}, false, true}, {3, {4}}};
  for (const Fill fill : {Fill::hold, Fill::interpolate}) {
    r = run(rows, {.fill = fill});
    CHECK(times(r) == std::vector<double>{0, 1, 3});
    CHECK(r.rows[2].starts_run);
  }
}

TEST_CASE("regular: different rates meet on a grid", "[regular]") {
  // The first column every second, the second every four; the third has its own phase.
  std::vector<Given> rows;
  for (int i = 0; i <= 12; ++i) {
    rows.push_back({double(i), {double(i), i % 4 == 0 ? 10.0 * i : kNone, kNone}});
    rows.push_back({i + 0.5, {kNone, kNone, i + 0.5}});
  }
  const std::vector<Nanoseconds> gaps = {5 * kSecond, 20 * kSecond, 5 * kSecond};
  Result r = run(rows, {.period = 2 * kSecond, .fill = Fill::hold, .column_gap = gaps});
  REQUIRE(r.rows.size() == 6);
  CHECK(r.rows[0].time_s == 2);  // at 0 the third column has no value yet
  CHECK(r.rows[0].values == std::vector<double>{2, 0, 1.5});
  CHECK(r.rows[2].values == std::vector<double>{6, 40, 5.5});
  r = run(rows, {.period = 2 * kSecond, .fill = Fill::interpolate, .column_gap = gaps});
  REQUIRE(r.rows.size() == 6);
  CHECK(r.rows[0].values == std::vector<double>{2, 20, 2});
  CHECK(r.rows[2].values == std::vector<double>{6, 60, 6});
}

TEST_CASE("regular: a grid ends at a gap and begins again after it", "[regular]") {
  std::vector<Given> rows;
  for (int i = 0; i < 5; ++i) rows.push_back({double(i), {double(i)}});
  for (int i = 0; i < 5; ++i) rows.push_back({1000 + 0.5 + i, {double(i)}});
  for (const Fill fill : {Fill::hold, Fill::interpolate, Fill::drop}) {
    const Result r = run(rows, {.period = kSecond, .fill = fill});
    CHECK(r.report.gaps == 1);
    std::size_t starts = 0;
    for (std::size_t i = 0; i < r.rows.size(); ++i) {
      starts += r.rows[i].starts_run;
      if (!r.rows[i].starts_run) CHECK(r.rows[i].time_s == r.rows[i - 1].time_s + 1);
    }
    CHECK(starts == 2);
    CHECK(r.rows.back().time_s >= 1003);
  }
}

TEST_CASE("regular: labels meet on a grid", "[regular]") {
  std::vector<Given> rows;
  for (int i = 0; i <= 8; ++i) rows.push_back({i * 0.5, {1}, i == 3});
  for (const Fill fill : {Fill::hold, Fill::interpolate}) {
    Result r = run(rows, {.period = kSecond, .fill = fill});
    std::vector<bool> labels;
    for (const Given& g : r.rows) labels.push_back(g.label);
    CHECK(labels == std::vector<bool>{false, false, true, false, false});
    rows = {{0, {1}}, {4, {1}, true}, {8, {1}}};
    r = run(rows, {.period = 2 * kSecond, .fill = fill});
    labels.clear();
    for (const Given& g : r.rows) labels.push_back(g.label);
    CHECK(labels == std::vector<bool>{false, false, true, true, false});
    rows.clear();
    for (int i = 0; i <= 8; ++i) rows.push_back({i * 0.5, {1}, i == 3});
  }
}
