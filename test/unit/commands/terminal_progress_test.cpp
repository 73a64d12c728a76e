#include "commands/terminal_progress.h"

#include "support/catch.h"

namespace anomctl {
namespace {
struct FakeClock : Clock {
  Nanoseconds t = 0;
  Nanoseconds now() const override { return t; }
  Nanoseconds steady() const override { return t; }
};
}  // namespace

TEST_CASE("progress tells share, rate and time left") {
  FakeClock clock;
  TerminalProgress progress({}, clock);
  progress.begin("train", 5000, "windows");
  CHECK(progress.status(0) == "train: 0 of 5,000 windows (0 %)");
  clock.t = 5 * kSecond;
  CHECK(progress.status(1250) == "train: 1,250 of 5,000 windows (25 %), 250 windows/s, 15 s left");
  CHECK(progress.status(5) == "train: 5 of 5,000 windows (0 %), 1 windows/s, 1 h 23 min left");
  progress.begin("read", 0, "rows");
  clock.t += 2 * kSecond;
  CHECK(progress.status(3) == "read: 3 rows, 1.5 rows/s");
  progress.end();
}

TEST_CASE("numbers are grouped by thousands") {
  CHECK(with_commas(0) == "0");
  CHECK(with_commas(999) == "999");
  CHECK(with_commas(1000) == "1,000");
  CHECK(with_commas(-1234567) == "-1,234,567");
}

}  // namespace anomctl
