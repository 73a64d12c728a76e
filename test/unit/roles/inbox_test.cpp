// Readings between broker and judge: their order, what waits on disk, what was delivered twice.
#include "roles/manage/inbox.h"

#include <fmt/format.h>

#include "roles/manage/missing_rows.h"
#include "support/catch.h"

using namespace anomctl;
using namespace anomctl::manage;

namespace {

InboxSettings settings(const fs::path& folder, std::size_t in_memory = 1000) {
  InboxSettings inbox;
  inbox.folder = folder;
  inbox.max_bytes = 100 * kMiB;
  inbox.max_in_memory = in_memory;
  inbox.stamped = [](const std::string& payload) { return payload.starts_with("stamped"); };
  return inbox;
}

Reading reading(const std::string& payload, const std::string& asset = "pump") { return {0, asset, payload, 17}; }

std::vector<std::string> taken(Inbox& inbox) {
  std::vector<std::string> payloads;
  while (const auto next = inbox.pop_for(std::chrono::nanoseconds(0))) payloads.push_back(next->payload);
  return payloads;
}

}  // namespace

TEST_CASE("readings come out in the order they came in, also those that waited on disk", "[inbox]") {
  const TemporaryFolder folder;
  Inbox inbox(settings(folder.path(), 10));
  std::vector<std::string> all;
  for (int i = 0; i < 2000; ++i) {
    all.push_back(fmt::format("stamped {}", i));
    REQUIRE(inbox.put(reading(all.back())));
  }
  CHECK(taken(inbox) == all);
  CHECK(inbox.idle());
  REQUIRE(inbox.put(reading("stamped again and new")));  // caught up: through memory again
  CHECK(taken(inbox) == std::vector<std::string>{"stamped again and new"});
}

TEST_CASE("the next process begins with what this one was not done with", "[inbox]") {
  const TemporaryFolder folder;
  {
    Inbox inbox(settings(folder.path()));
    for (int i = 1; i <= 5; ++i) REQUIRE(inbox.put(reading(fmt::format("stamped {}", i))));
    REQUIRE(inbox.pop_for(std::chrono::nanoseconds(0))->number == 1);
  }
  Inbox inbox(settings(folder.path()));
  CHECK(inbox.put(reading("stamped 3")));  // delivered again, for its acknowledgement had got lost
  CHECK(inbox.put(reading("stamped 6")));
  CHECK(inbox.repeated() == 1);
  CHECK(taken(inbox) ==
        std::vector<std::string>{"stamped 1", "stamped 2", "stamped 3", "stamped 4", "stamped 5", "stamped 6"});
}

TEST_CASE("only a stamped reading of the same asset is the same reading", "[inbox]") {
  Inbox inbox(settings({}));
  CHECK(inbox.put(reading("stamped")));
  CHECK(inbox.put(reading("stamped", "other pump")));
  CHECK(inbox.put(reading("[1,2]")));
  CHECK(inbox.put(reading("[1,2]")));
  CHECK(inbox.repeated() == 0);
  CHECK(inbox.put(reading("stamped")));
  CHECK(inbox.repeated() == 1);
  CHECK(taken(inbox).size() == 4);
}

TEST_CASE("numbers go on where the file of readings is gone", "[inbox]") {
  const TemporaryFolder folder;
  InboxSettings after = settings(folder.path());
  after.settled = 700;
  Inbox inbox(after);
  CHECK(inbox.put(reading("stamped")));
  CHECK(inbox.pop_for(std::chrono::nanoseconds(0))->number == 701);
}

TEST_CASE("without a folder readings are held back when memory is full, until half of it is free", "[inbox]") {
  Inbox inbox(settings({}, 10));
  for (int i = 0; i < 10; ++i) {
    CHECK(inbox.hold_back().empty());
    CHECK(inbox.put(reading("[1]")));
  }
  CHECK_FALSE(inbox.hold_back().empty());
  for (int i = 0; i < 5; ++i) inbox.pop_for(std::chrono::nanoseconds(0));
  CHECK_FALSE(inbox.hold_back().empty());
  inbox.pop_for(std::chrono::nanoseconds(0));
  CHECK(inbox.hold_back().empty());
}

TEST_CASE("rows that are missing where a connection began are counted", "[inbox]") {
  MissingRows missing(1.0);
  const auto see = [&](std::int64_t before, std::int64_t time, std::int64_t received, std::int64_t heard_in = 0) {
    missing.see({before * kSecond, time * kSecond, received * kSecond, heard_in});
    return missing.rows();
  };
  missing.connected(100 * kSecond, false);
  CHECK(see(10, 11, 101) == 0);  // the broker had kept this one
  CHECK(see(11, 15, 101) == 3);
  CHECK(see(0, 500, 103) == 3);      // never seen before
  CHECK(see(15, 9, 104) == 3);       // the clock was set back
  CHECK(see(9, 200'000, 105) == 3);  // or is another one
  CHECK(see(9, 60, 200) == 3);       // much later: a pause of its own
  CHECK(see(60, 63, 110, 1) == 5);   // the broker knew us: it may have lost what came before this asset's first row
  missing.connected(300 * kSecond, true);
  CHECK(see(9, 12, 301, 1) == 7);
  CHECK(see(9, 12, 301, 2) == 7);  // nobody listened before
}
