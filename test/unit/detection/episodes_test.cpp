#include "anomctl/detection/episodes.h"

#include <algorithm>
#include <cmath>

#include "anomctl/detection/attribution.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

// '.' a row under the limit, 'm' in the dead-band, 'x' over it -> state of each row: '.' normal, 'o' open, 'c' closed.
std::string states(const std::string& rows, const EpisodeSettings& settings, std::vector<Episode>& events) {
  EpisodeTracker tracker(settings, "pump", "model");
  std::string out;
  Nanoseconds time = 0;
  for (const char c : rows) {
    const std::vector<Cause> causes = {{"flow", 0.9, 18.4, 12.1 + static_cast<double>(time / kSecond), "l/min"}};
    const double score = c == 'x' ? 2.0 + static_cast<double>(time % (3 * kSecond)) / 1e9 : c == 'm' ? 0.9 : 0.1;
    const State state = tracker.push({time, score, 1, &causes}, events);
    out += state == State::open ? 'o' : state == State::closed ? 'c' : '.';
    CHECK(tracker.current_id().empty() == (state == State::normal));
    time += kSecond;
  }
  return out;
}

}  // namespace

TEST_CASE("episodes open and close after their delays") {
  std::vector<Episode> events;
  CHECK(states("..x....", {.on_rows = 1, .off_rows = 3}, events) == "..oooc.");
  CHECK(states("..x.xx.x...", {.on_rows = 2, .at_once = 0, .off_rows = 2}, events) == ".....ooooc.");
  CHECK(states("xx.x.x...", {.on_rows = 3, .at_once = 0, .off_rows = 2}, events) == ".........");
  CHECK(states("xmmm..m..", {.on_rows = 1, .off_rows = 2, .dead_band = 0.2}, events) == "oooooc...");
  CHECK(states("xmmm", {.on_rows = 1, .off_rows = 2, .dead_band = 0}, events) == "ooc.");
}

TEST_CASE("a row far over the limit opens an episode at once, one a little over it waits for more") {
  std::vector<Episode> events;
  const EpisodeSettings patient{.on_rows = 3, .at_once = 3, .off_rows = 2};
  CHECK(states(".x.x..xx", patient, events) == ".ooooc.o");  // the scores are 3, 2, 2 and 3
  CHECK(states(".xxx", {.on_rows = 3, .at_once = 0, .off_rows = 2}, events) == "...o");
  CHECK(states(".x..", {.on_rows = 3, .at_once = 1, .off_rows = 2}, events) == ".ooc");
}

TEST_CASE("what an episode opens by is the highest limit at which it would have opened") {
  const EpisodeSettings settings{.on_rows = 3, .at_once = 2, .off_rows = 1};
  const double none = std::nan("");
  const std::vector<double> scores = {1, 2, 3, 8, 1, none, 5, 5, 4, 0};
  const std::vector<double> opening = settings.opening(scores);
  const std::vector<double> expected = {0.5, 1, 1.5, 4, 1, none, 2.5, 2.5, 4, 0};
  REQUIRE(opening.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK((opening[i] == expected[i] || (std::isnan(opening[i]) && std::isnan(expected[i]))));
  // As the tracker does it, at every limit.
  const std::vector<Cause> causes;
  for (const double limit : {0.6, 1.2, 1.6, 2.6, 3.9, 4.1, 9.0}) {
    EpisodeTracker tracker(settings, "", "");
    std::vector<Episode> events;
    std::size_t first = scores.size();
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (std::isnan(scores[i])) {
        tracker.restart(events);
        continue;
      }
      if (tracker.push({static_cast<Nanoseconds>(i), scores[i], limit, &causes}, events) == State::open)
        first = std::min(first, i);
    }
    const auto over = std::find_if(opening.begin(), opening.end(), [&](double o) { return o >= limit; });
    CHECK(first == static_cast<std::size_t>(over - opening.begin()));
  }
}

TEST_CASE("an episode is told when it opens and when it closes, with its peak") {
  std::vector<Episode> events;
  states(".xxx..", {.on_rows = 2, .at_once = 0, .off_rows = 2}, events);
  REQUIRE(events.size() == 2);
  CHECK_FALSE(events[0].closed);
  const Episode& done = events[1];
  CHECK(done.closed);
  CHECK(done.id == events[0].id);
  CHECK(done.id.size() == 16);
  CHECK(done.start == kSecond);
  CHECK(done.end == 3 * kSecond);
  CHECK(done.rows == 3);
  CHECK(done.peak == 4);
  CHECK(done.peak_time == 2 * kSecond);
  CHECK(done.reason == "flow at 14.1 l/min where 18.4 was expected (90 % of the score)");
  const Json json = to_json(done);
  CHECK(json.at("state").as_string() == "closed");
  CHECK(json.at("start").as_string() == "1970-01-01T00:00:01Z");
  CHECK(json.at("top1_direction").as_string() == "lower");
  CHECK(json.at("top1_unit").as_string() == "l/min");
}

TEST_CASE("a restart closes an open episode and forgets rows that counted towards one") {
  std::vector<Episode> events;
  const std::vector<Cause> causes;
  EpisodeTracker tracker({.on_rows = 2, .at_once = 0, .off_rows = 5}, "pump", "model");
  tracker.push({0, 2, 1, &causes}, events);
  tracker.restart(events);
  CHECK(events.empty());
  CHECK(tracker.push({1, 2, 1, &causes}, events) == State::normal);
  CHECK(tracker.push({2, 2, 1, &causes}, events) == State::open);
  tracker.restart(events);
  REQUIRE(events.size() == 2);
  CHECK(events[1].closed);
  CHECK(events[1].start == 1);
  CHECK(events[1].end == 2);
  CHECK(tracker.push({3, 0, 1, &causes}, events) == State::normal);
}

TEST_CASE("the reason names sensors, values and units") {
  CHECK(describe_causes({}).empty());
  CHECK(describe_causes({{"flow_3", 0.61, 18.4, 12.1, "l/min"},
                         {"pressure_1", 0.2, 3, 2.9, "bar"},
                         {"pump_t", 0.08, 61, 61.2, ""}}) ==
        "flow_3 at 12.1 l/min where 18.4 was expected (61 % of the score), with pressure_1 (20 %) and pump_t (8 %)");
  CHECK(describe_causes({{"x", 0.99, 1, 1, ""}, {"y", 0.01, 0, 1, ""}}) ==
        "x at 1.000 where 1.000 was expected (99 % of the score)");
  CHECK(describe_causes({{"v", 1, 0.00119, 0.00123, "V"}}) ==
        "v at 0.001230 V where 0.001190 was expected (100 % of the score)");
}

TEST_CASE("the strongest causes come first and their shares are of all sensors") {
  const std::vector<Column> columns = {{"a", "", ""}, {"b", "bar", ""}, {"c", "", ""}, {"d", "", ""}};
  const std::vector<double> contribution = {1, 6, std::nan(""), 3}, expected = {1, 2, 3, 4},
                            values = {9, 8, 7, std::nan("")};
  const std::vector<std::size_t> targets = {0, 1, 2, 3};
  const auto causes = strongest_causes({contribution, expected, values, targets}, columns);
  REQUIRE(causes.size() == 2);  // c takes no part, d has no value
  CHECK(causes[0].sensor == "b");
  CHECK(causes[0].share == Approx(0.6));
  CHECK(causes[0].expected == 2);
  CHECK(causes[0].actual == 8);
  CHECK(causes[0].unit == "bar");
  CHECK(causes[1].sensor == "a");
}
