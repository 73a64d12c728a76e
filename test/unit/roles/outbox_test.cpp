// What of verdicts and alerts is on disk, and how it is counted.
#include "roles/manage/outbox.h"

#include "support/catch.h"

using namespace anomctl;
using namespace anomctl::manage;

namespace {

struct Sent {
  explicit Sent(const fs::path& folder, std::uint64_t max_bytes = 1024 * kMiB) {
    settings.folder = folder;
    settings.max_bytes = max_bytes;
    settings.is_notice = [](const std::string& topic) { return topic.starts_with("$notice/"); };
    settings.send = [this](const std::string& topic, const std::string& /*payload*/, std::uint64_t number) {
      (settings.is_notice(topic) ? notices : verdicts).push_back(number);
      return true;
    };
    settings.on_trouble = [](const std::string& why) { CHECK(why.empty()); };
  }
  OutboxSettings settings;
  std::vector<std::uint64_t> verdicts, notices;
};

}  // namespace

TEST_CASE("what was not acknowledged is sent again at the next start") {
  const TemporaryFolder folder;
  {
    Sent sent(folder.path());
    Outbox outbox(sent.settings);
    outbox.add("org/verdict/a", "{}");
    outbox.add("$notice/b", "{}");
    REQUIRE(outbox.commit(1, {}, {}));
    CHECK(outbox.waiting() == 2);
    outbox.acknowledged(sent.verdicts.at(0));
    outbox.acknowledged(sent.verdicts.at(0));  // a second time is not another one
    CHECK(outbox.waiting() == 1);
    REQUIRE(outbox.commit(1, {}, {}));
  }
  Sent again(folder.path());
  Outbox outbox(again.settings);
  outbox.send_again();
  CHECK(again.verdicts.empty());
  CHECK(again.notices.size() == 1);
  CHECK(outbox.waiting() == 1);
}

TEST_CASE("alerts beyond the bound are no longer kept, and lost only where nobody takes them") {
  const TemporaryFolder folder;
  constexpr std::size_t all = 100;
  Sent sent(folder.path(), 20'000);
  std::size_t kept = 0;
  {
    Outbox outbox(sent.settings);
    for (std::size_t i = 0; i < all; ++i) {
      outbox.add("org/verdict/a", std::string(500, 'v'));
      outbox.add("$notice/b", std::string(500, 'n'));
      REQUIRE(outbox.commit(static_cast<std::int64_t>(i), {}, {}));
      outbox.acknowledged(sent.verdicts.back());
    }
    REQUIRE(outbox.commit(all, {}, {}));
    CHECK(outbox.dropped() == 0);  // every verdict came through
    kept = outbox.waiting();
    CHECK(kept < 40);
    CHECK(kept + static_cast<std::size_t>(outbox.notices_at_risk()) == all);
    outbox.acknowledged(sent.notices.front());  // delivered from memory after all
    CHECK(kept + static_cast<std::size_t>(outbox.notices_at_risk()) == all - 1);
  }
  Sent again(folder.path());
  Outbox outbox(again.settings);
  outbox.send_again();
  CHECK(again.notices.size() == kept);
}

TEST_CASE("verdicts beyond the bound are counted") {
  const TemporaryFolder folder;
  Sent sent(folder.path(), 20'000);
  Outbox outbox(sent.settings);
  for (std::int64_t i = 0; i < 100; ++i) {
    outbox.add("org/verdict/a", std::string(500, 'v'));
    REQUIRE(outbox.commit(i, {}, {}));
  }
  CHECK(outbox.dropped() > 60);
  CHECK(outbox.waiting() + static_cast<std::size_t>(outbox.dropped()) == 100);
  CHECK(outbox.notices_at_risk() == 0);
}
