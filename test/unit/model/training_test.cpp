#include "anomctl/model/training.h"

#include "support/catch.h"

using namespace anomctl;

TEST_CASE("windows stay inside runs and away from rows that must not be used") {
  const std::vector<std::pair<std::int64_t, std::int64_t>> runs = {{0, 9}, {10, 14}};
  CHECK(window_starts(runs, 4, 1, {}) == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 10});
  CHECK(window_starts(runs, 4, 3, {}) == std::vector<std::int64_t>{0, 3, 10});
  std::vector<std::uint8_t> use(15, 1);
  use[3] = 0;
  CHECK(window_starts(runs, 4, 1, use) == std::vector<std::int64_t>{4, 5, 10});
  CHECK(window_starts(runs, 20, 1, {}).empty());
}

TEST_CASE("validation by time shares no row with training; the reference's split does") {
  std::vector<std::int64_t> starts;
  for (int i = 0; i < 100; ++i) starts.push_back(i);
  TrainerOptions o;
  const WindowSplit split = split_windows(starts, 7, o);
  CHECK(split.validation.front() == 90);
  CHECK(split.validation.size() == 10);
  CHECK(split.train.back() + 7 < split.validation.front());
  o.compat = "reference";
  o.shuffle = false;
  const WindowSplit reference = split_windows(starts, 7, o.resolved());
  CHECK(reference.validation.front() == 0);
  CHECK(reference.train.front() == 10);
  o.val_split = 0;
  CHECK(split_windows(starts, 7, TrainerOptions{.val_split = 0}).train.size() == 100);
}
