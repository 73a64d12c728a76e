#include "roles/manage/alignment.h"

#include <cmath>
#include <limits>
#include <random>

#include "anomctl/data/regular.h"
#include "anomctl/data/source.h"
#include "support/catch.h"

using namespace anomctl;
using namespace anomctl::manage;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// A reading of sensors a and b at `s` seconds; NaN: not named.
SensorPayload::Reading reading(double s, double a, double b, bool part = false) {
  return {static_cast<Nanoseconds>(s * 1e9), {a, b}, {!std::isnan(a), !std::isnan(b)}, part};
}

// "1:2,3 2:_,4" of rows: seconds, then the values, _ for none.
std::string text(const std::vector<Row>& rows) {
  std::string out;
  for (const Row& row : rows) {
    if (!out.empty()) out += ' ';
    out += shortest(static_cast<double>(row.time) / 1e9) + ":";
    for (std::size_t c = 0; c < row.values.size(); ++c)
      out += (c > 0 ? "," : "") + (std::isnan(row.values[c]) ? "_" : shortest(row.values[c]));
  }
  return out;
}

std::string aligned(const AlignmentSettings& settings, const std::vector<SensorPayload::Reading>& readings,
                    AlignmentCounts* counts = nullptr, bool finish = true) {
  Alignment alignment(settings, 2);
  std::vector<Row> rows;
  for (const auto& one : readings) alignment.add(one, one.time.value_or(0), rows);
  if (finish) alignment.finish(rows);
  if (counts != nullptr) *counts = alignment.counts();
  return text(rows);
}

AlignmentSettings grid(double period_s, Fill fill, double late_s = 0, double max_gap_s = 5) {
  AlignmentSettings settings;
  settings.grid = {static_cast<Nanoseconds>(period_s * 1e9), fill, static_cast<Nanoseconds>(max_gap_s * 1e9)};
  settings.late = static_cast<Nanoseconds>(late_s * 1e9);
  return settings;
}

}  // namespace

TEST_CASE("whole readings pass at once, with a value missing or not") {
  CHECK(aligned({}, {reading(1, 1, 2), reading(2, 3, kNaN)}, nullptr, false) == "1:1,2 2:3,_");
}

TEST_CASE("parts of an instant become one row, which waits for the others or for the next instant") {
  CHECK(aligned({}, {reading(1, 1, kNaN, true), reading(1, kNaN, 2, true)}, nullptr, false) == "1:1,2");
  CHECK(aligned({}, {reading(1, 1, kNaN, true)}, nullptr, false).empty());
  CHECK(aligned({}, {reading(1, 1, kNaN, true), reading(2, 3, kNaN, true)}, nullptr, false) == "1:1,_");
  CHECK(aligned({}, {reading(1, 1, kNaN, true)}) == "1:1,_");
}

TEST_CASE("parts without a stamp belong together until a sensor speaks again") {
  Alignment alignment({}, 2);
  std::vector<Row> rows;
  const auto part = [&](double a, double b, Nanoseconds received) {
    auto one = reading(0, a, b, true);
    one.time.reset();
    alignment.add(one, received, rows);
  };
  part(1, kNaN, 5 * kSecond);
  part(kNaN, 2, 6 * kSecond);
  part(3, kNaN, 7 * kSecond);
  part(4, kNaN, 8 * kSecond);
  alignment.finish(rows);
  CHECK(text(rows) == "5:1,2 7:3,_ 8:4,_");
}

TEST_CASE("what comes again, too late, or differently is left out and counted by its kind") {
  AlignmentCounts counts;
  CHECK(aligned({}, {reading(1, 1, 1), reading(3, 3, 3), reading(3, 3, 3), reading(1, 1, 1), reading(2, 2, 2)},
                &counts) == "1:1,1 3:3,3");
  CHECK(counts.readings == 5);
  CHECK(counts.duplicates == 2);
  CHECK(counts.late == 1);
  AlignmentSettings patient;
  patient.late = 2 * kSecond;
  CHECK(aligned(patient, {reading(1, 1, 1), reading(1, 1, 1), reading(1, 9, 1), reading(2, 2, 2)}, &counts) ==
        "1:1,1 2:2,2");
  CHECK(counts.duplicates == 1);
  CHECK(counts.conflicting == 1);
}

TEST_CASE("with a late window readings in the wrong order come out in the right one") {
  AlignmentSettings settings;
  settings.late = 2 * kSecond;
  AlignmentCounts counts;
  const std::vector<SensorPayload::Reading> readings = {reading(1, 1, 1), reading(3, 3, 3), reading(2, 2, 2),
                                                        reading(5, 5, 5), reading(4, 4, 4), reading(2.5, 0, 0)};
  CHECK(aligned(settings, readings, &counts, false) == "1:1,1 2:2,2 3:3,3");
  CHECK(counts.late == 1);
  CHECK(aligned(settings, readings) == "1:1,1 2:2,2 3:3,3 4:4,4 5:5,5");
}

TEST_CASE("a reading that overtook others waits for them, a pause for the next reading") {
  AlignmentSettings settings;  // the gap is 5 s
  AlignmentCounts counts;
  const std::vector<SensorPayload::Reading> overtaken = {reading(1, 1, 1),   reading(2, 2, 2), reading(12, 12, 12),
                                                         reading(3, 3, 3),   reading(4, 4, 4), reading(11, 11, 11),
                                                         reading(13, 13, 13)};
  // 4 s to 11 s is a pause, which the row at 12 s shows.
  CHECK(aligned(settings, overtaken, &counts, false) == "1:1,1 2:2,2 3:3,3 4:4,4 11:11,11 12:12,12 13:13,13");
  CHECK(counts.late == 0);
  const std::vector<SensorPayload::Reading> parts = {
      reading(1, 1, 1),           reading(2, 2, 2),          reading(12, 12, 12),       reading(3, 3, kNaN, true),
      reading(3, kNaN, 33, true), reading(4, 4, kNaN, true), reading(4, kNaN, 44, true)};
  CHECK(aligned(settings, parts, &counts, false) == "1:1,1 2:2,2 3:3,33 4:4,44");
  CHECK(aligned(settings, parts, &counts) == "1:1,1 2:2,2 3:3,33 4:4,44 12:12,12");
  const std::vector<SensorPayload::Reading> pause = {reading(1, 1, 1), reading(2, 2, 2), reading(60, 60, 60)};
  CHECK(aligned(settings, pause, &counts, false) == "1:1,1 2:2,2");
  CHECK(aligned(settings, pause, &counts) == "1:1,1 2:2,2 60:60,60");
  // Readings that are always far apart do not wait.
  CHECK(aligned(settings, {reading(1, 1, 1), reading(61, 2, 2), reading(121, 3, 3)}, &counts, false) ==
        "1:1,1 61:2,2 121:3,3");
}

TEST_CASE("a clock that was set back begins anew, after some readings or at once when it is another day") {
  std::vector<SensorPayload::Reading> readings;
  for (int i = 0; i < 30; ++i) readings.push_back(reading(1000 + i, i, i));
  for (int i = 0; i < 30; ++i) readings.push_back(reading(500 + i, i, i));
  AlignmentCounts counts;
  const std::string rows = aligned({}, readings, &counts);
  CHECK(counts.set_back == 1);
  CHECK(counts.late == 19);
  CHECK(
      rows.ends_with("519:19,19 520:20,20 521:21,21 522:22,22 523:23,23 "
                     "524:24,24 525:25,25 526:26,26 527:27,27 528:28,28 "
                     "529:29,29"));
  CHECK(aligned({}, {reading(99'999, 1, 1), reading(1, 2, 2), reading(2, 3, 3)}, &counts) == "99999:1,1 1:2,2 2:3,3");
  CHECK(counts.set_back == 1);
}

TEST_CASE("a stamp too far from its arrival is a fault of the clock, and the arrival stands in") {
  AlignmentSettings settings;
  settings.max_skew = 10 * kSecond;
  Alignment alignment(settings, 2);
  std::vector<Row> rows;
  alignment.add(reading(1000, 1, 1), 1005 * kSecond, rows);
  alignment.add(reading(2000, 2, 2), 1006 * kSecond, rows);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].clock_skew == 0);
  CHECK(rows[1].time == 1006 * kSecond);
  CHECK(rows[1].clock_skew == 994 * kSecond);
  CHECK(alignment.counts().skewed == 1);
}

TEST_CASE("sensors that publish apart and at different rates share a grid: hold") {
  // a each second, b every two and a half
  const std::vector<SensorPayload::Reading> readings = {
      reading(10.2, 1, kNaN), reading(10.5, kNaN, 5), reading(11.2, 2, kNaN), reading(12.2, 3, kNaN),
      reading(13, kNaN, 6),   reading(13.2, 4, kNaN), reading(14.2, 5, kNaN)};
  CHECK(aligned(grid(1, Fill::hold), readings) == "11:1,5 12:2,5 13:3,6 14:4,6");
}

TEST_CASE("a value stands in no longer than max-gap, and a longer pause ends the run") {
  const std::vector<SensorPayload::Reading> readings = {reading(1, 1, 9),    reading(2, 2, kNaN), reading(3, 3, kNaN),
                                                        reading(4, 4, kNaN), reading(5, 5, kNaN), reading(20, 6, kNaN),
                                                        reading(21, 7, 8)};
  CHECK(aligned(grid(1, Fill::hold, 0, 2), readings) == "1:1,9 2:2,9 3:3,9 4:4,_ 5:5,_ 21:7,8");
}

TEST_CASE("interpolated rows wait for their neighbours, and no longer than max-gap for a sensor that is silent") {
  const std::vector<SensorPayload::Reading> readings = {reading(1, 1, 10), reading(3, 3, kNaN), reading(5, 5, 30)};
  CHECK(aligned(grid(1, Fill::interpolate), readings, nullptr, false) == "1:1,10 2:2,15 3:3,20 4:4,25 5:5,30");
  std::vector<SensorPayload::Reading> silent = {reading(1, 1, 10)};
  for (int i = 2; i < 9; ++i) silent.push_back(reading(i, i, kNaN));
  CHECK(aligned(grid(1, Fill::interpolate, 0, 3), silent) == "1:1,10 2:2,_ 3:3,_ 4:4,_ 5:5,_ 6:6,_ 7:7,_ 8:8,_");
}

namespace {

class Rows : public LabelledSource {
 public:
  explicit Rows(std::vector<Row> rows) : rows_(std::move(rows)) {}
  const std::vector<std::string>& columns() const override { return names_; }
  bool next(Row& row) override {
    if (at_ == rows_.size()) return false;
    row = rows_[at_++];
    return true;
  }
  bool label() const override { return false; }
  bool starts_run() const override { return at_ == 1; }
  std::string where() const override { return "rows"; }

 private:
  std::vector<std::string> names_ = {"a", "b"};
  std::vector<Row> rows_;
  std::size_t at_ = 0;
};

}  // namespace

TEST_CASE("live rows on the grid are those that create-datasets makes of the same readings") {
  for (const Fill fill : {Fill::hold, Fill::interpolate}) {
    std::mt19937 random(7);
    std::vector<Row> input;
    Nanoseconds time = 100 * kSecond;  // the first is on the grid
    for (int i = 0; i < 300; ++i) {
      Row row{time, {kNaN, kNaN}};
      const auto which = i == 0 ? 2 : random() % 3;
      if (which != 1) row.values[0] = std::sin(i);
      if (which != 0) row.values[1] = std::cos(i);
      input.push_back(row);
      time += (1 + random() % 14) * 100 * kMillisecond;
    }
    RegularSettings settings{kSecond, kSecond, fill, 20 * kSecond, {}};
    ReadReport report;
    const auto offline = make_regular(std::make_unique<Rows>(input), settings, report);
    std::vector<Row> expected;
    for (Row row; offline->next(row);) expected.push_back(row);

    Alignment alignment(grid(1, fill, 0, 20), 2);
    std::vector<Row> rows;
    for (const Row& row : input) {
      auto one = reading(0, row.values[0], row.values[1]);
      one.time = row.time;
      alignment.add(one, row.time, rows);
    }
    alignment.finish(rows);
    REQUIRE(expected.size() > 100);
    const std::size_t n = std::min(rows.size(), expected.size());
    CHECK(expected.size() - n <= 1);  // offline knows the end
    expected.resize(n);
    rows.resize(n);
    CHECK(text(rows) == text(expected));
  }
}

TEST_CASE("an alignment goes on from its state as if nothing had happened") {
  for (const AlignmentSettings& settings :
       {AlignmentSettings{}, grid(1, Fill::hold, 1), grid(0.7, Fill::interpolate, 2)}) {
    std::mt19937 random(5);
    Alignment straight(settings, 2), broken(settings, 2);
    std::vector<Row> a, b;
    double time = 50;
    for (int i = 0; i < 300; ++i) {
      time += 0.1 * static_cast<double>(random() % 12) - (random() % 9 == 0 ? 1.5 : 0) + (random() % 50 == 0 ? 9 : 0);
      const auto which = random() % 3;
      const auto one = reading(time, which == 0 ? kNaN : i, which == 1 ? kNaN : -i, which != 2);
      straight.add(one, 0, a);
      StateWriter out;
      broken.write(out);
      Alignment next(settings, 2);
      StateReader in(out.bytes());
      next.read(in);
      CHECK(in.empty());
      broken = std::move(next);
      broken.add(one, 0, b);
      REQUIRE(text(a) == text(b));
    }
    CHECK(a.size() > 50);
  }
}
