// What holds of an alignment whatever comes: random readings, with parts, repetitions, disorder, pauses, clocks that are
// set back, stamps that are absent.
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "roles/manage/alignment.h"
#include "support/catch.h"

using namespace anomctl;
using namespace anomctl::manage;

namespace {

constexpr std::size_t kSensors = 3;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Arrival {
  SensorPayload::Reading reading;
  Nanoseconds received = 0;
};

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return random_() % n; }
  bool once_in(std::size_t n) { return below(n) == 0; }

 private:
  std::mt19937 random_;
};

// Every value is another one, but where a reading is repeated.
std::vector<Arrival> arrivals(std::size_t n, Dice& dice) {
  std::vector<Arrival> out;
  Nanoseconds clock = kDay, received = 400 * kDay;
  double value = 0;
  for (std::size_t i = 0; i < n; ++i) {
    received += static_cast<Nanoseconds>(dice.below(1500)) * kMillisecond;
    if (!out.empty() && dice.once_in(8)) {
      out.push_back(out[out.size() - 1 - dice.below(std::min<std::size_t>(out.size(), 20))]);
      out.back().received = received;
      continue;
    }
    if (dice.once_in(2)) clock += kSecond;
    if (dice.once_in(60)) clock += static_cast<Nanoseconds>(dice.below(40)) * kSecond;
    if (dice.once_in(150)) clock -= static_cast<Nanoseconds>(dice.below(300)) * kSecond;
    if (dice.once_in(400)) clock -= 2 * kDay;
    Nanoseconds stamp = clock + static_cast<Nanoseconds>(dice.below(3)) * 100 * kMillisecond;
    if (dice.once_in(10)) stamp -= static_cast<Nanoseconds>(dice.below(8)) * kSecond;
    SensorPayload::Reading reading{stamp, std::vector<double>(kSensors, kNaN), std::vector<bool>(kSensors, false),
                                   dice.once_in(2)};
    if (dice.once_in(12)) reading.time.reset();
    for (std::size_t c = 0; c < kSensors; ++c) {
      if (reading.part && !dice.once_in(2)) continue;
      reading.given[c] = true;
      if (!dice.once_in(10)) reading.values[c] = ++value;
    }
    out.push_back({std::move(reading), received});
  }
  return out;
}

AlignmentSettings some_settings(Dice& dice) {
  AlignmentSettings settings;
  if (dice.once_in(2)) settings.grid.period = kSecond;
  if (settings.grid.period > 0 && dice.once_in(2)) settings.grid.fill = Fill::interpolate;
  if (dice.once_in(2)) settings.late = static_cast<Nanoseconds>(1 + dice.below(5)) * kSecond;
  if (dice.once_in(4)) settings.max_skew = 500 * kDay;  // looked at, and never beyond
  return settings;
}

std::int64_t outcomes(const AlignmentCounts& counts) { return counts.duplicates + counts.conflicting + counts.late; }

struct Run {
  std::vector<Row> rows;
  std::map<double, int> taken;  // values of readings that have no outcome but to be taken, and how often they came
  AlignmentCounts counts;
};

// `save_in`: about every so many readings the alignment goes on from its saved state; 0: never.
Run run(const std::vector<Arrival>& arrivals, const AlignmentSettings& settings, std::size_t save_in, unsigned seed) {
  Dice dice(seed);
  auto alignment = std::make_unique<Alignment>(settings, kSensors);
  Run out;
  for (const Arrival& arrival : arrivals) {
    const AlignmentCounts before = alignment->counts();
    alignment->add(arrival.reading, arrival.received, out.rows);
    const AlignmentCounts& after = alignment->counts();
    CHECK(after.readings == before.readings + 1);
    const std::int64_t told = outcomes(after) - outcomes(before);
    CHECK((told == 0 || told == 1));
    if (told == 0)
      for (const double value : arrival.reading.values)
        if (std::isfinite(value)) ++out.taken[value];
    if (save_in == 0 || !dice.once_in(save_in)) continue;
    StateWriter state;
    alignment->write(state);
    auto next = std::make_unique<Alignment>(settings, kSensors);
    const std::string bytes = state.bytes();
    StateReader in(bytes);
    next->read(in);
    CHECK(in.empty());
    StateWriter again;
    next->write(again);
    CHECK(again.bytes() == bytes);
    out.counts += alignment->counts();
    alignment = std::move(next);
  }
  alignment->finish(out.rows);
  out.counts += alignment->counts();
  return out;
}

bool same(const std::vector<Row>& a, const std::vector<Row>& b) {
  const auto same_value = [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  return std::ranges::equal(a, b, [&](const Row& x, const Row& y) {
    return x.time == y.time && x.clock_skew == y.clock_skew && std::ranges::equal(x.values, y.values, same_value);
  });
}

}  // namespace

TEST_CASE("every reading has one outcome, rows go forward, and a restart changes nothing") {
  std::int64_t set_back = 0, late = 0, duplicates = 0, conflicting = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Dice dice(seed);
    const AlignmentSettings settings = some_settings(dice);
    const std::vector<Arrival> readings = arrivals(600, dice);
    Run whole = run(readings, settings, 0, seed);

    std::int64_t back = 0;
    for (std::size_t i = 1; i < whole.rows.size(); ++i) back += whole.rows[i].time <= whole.rows[i - 1].time;
    CHECK(back <= whole.counts.set_back);

    const bool on_grid = settings.grid.period > 0;
    std::int64_t surplus = 0;
    for (const Row& row : whole.rows) {
      if (on_grid) CHECK(row.time % settings.grid.period == 0);
      for (const double value : row.values) {
        if (!std::isfinite(value) || settings.grid.fill == Fill::interpolate) continue;
        const auto taken = whole.taken.find(value);
        if (taken == whole.taken.end())
          ++surplus;
        else
          --taken->second;
      }
    }
    if (!on_grid) {
      for (const auto& [value, left] : whole.taken) {
        CHECK(left <= 0);  // it is in a row for each time that it was taken
        surplus -= left;
      }
      // A reading that contradicts another in one sensor may still be the first to tell of others.
      CHECK(surplus <= whole.counts.conflicting * static_cast<std::int64_t>(kSensors - 1));
    }

    const Run broken = run(readings, settings, 7, seed);
    CHECK(same(broken.rows, whole.rows));
    CHECK(broken.counts.readings == whole.counts.readings);
    CHECK(outcomes(broken.counts) == outcomes(whole.counts));
    CHECK(broken.counts.set_back == whole.counts.set_back);
    set_back += whole.counts.set_back;
    late += whole.counts.late;
    duplicates += whole.counts.duplicates;
    conflicting += whole.counts.conflicting;
  }
  for (const std::int64_t n : {set_back, late, duplicates, conflicting}) CHECK(n > 20);  // all of it came up
}
