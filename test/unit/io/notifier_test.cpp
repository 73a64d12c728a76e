#include "anomctl/io/notify/notifier.h"

#include <filesystem>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/core/files.h"
#include "anomctl/io/net/backoff.h"
#include "anomctl/io/net/circuit_breaker.h"
#include "io/notify/run_command.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

// Writes what it gets to FOLDER/all, and fails the first time.
std::string fails_once(const fs::path& folder) {
  const std::string base = folder.string();
  return "cat >> " + base + "/all; test -e " + base + "/seen || { touch " + base + "/seen; exit 3; }";
}

}  // namespace

TEST_CASE("a command gets each alert on its standard input, and is tried again when it fails") {
  const TemporaryFolder folder;
  NotifySettings settings;
  settings.alert_command = {fails_once(folder.path())};
  Notifier notifier(settings, {});
  notifier.tell("{\"n\":1}");
  notifier.tell("{\"n\":2}");
  notifier.finish(seconds(20));
  CHECK(read_file(folder.path() / "all") == "{\"n\":1}\n{\"n\":1}\n{\"n\":2}\n");
  CHECK(notifier.counts().delivered == 2);
  CHECK(notifier.counts().retried == 1);
  CHECK(notifier.counts().dropped == 0);
}

TEST_CASE("what cannot be delivered in time is dropped and counted, and holds nobody up") {
  NotifySettings settings;
  settings.alert_command = {"exit 1"};
  settings.notify_for = milliseconds(1);
  Notifier notifier(settings, {});
  for (int i = 0; i < 3; ++i) notifier.tell("x");
  notifier.finish(seconds(20));
  CHECK(notifier.counts().delivered == 0);
  CHECK(notifier.counts().dropped == 3);
  settings.webhook = {"ftp://x"};
  CHECK_THROWS_AS(Notifier(settings, {}), UsageError);
}

TEST_CASE("a receiver that is away does not hold up the end") {
  NotifySettings settings;
  settings.alert_command = {"exit 1"};
  settings.webhook = {"http://127.0.0.1:1/word"};  // nobody listens there
  Notifier notifier(settings, {});
  for (int i = 0; i < 3; ++i) notifier.tell("x");
  const Nanoseconds begin = system_clock().steady();
  notifier.finish(seconds(600));
  CHECK(system_clock().steady() - begin < 300 * kSecond);
  CHECK(notifier.counts().dropped == 6);
  CHECK(notifier.counts().delivered == 0);
}

TEST_CASE("what waits for its next try gets it at the end") {
  const TemporaryFolder folder;
  NotifySettings settings;
  settings.alert_command = {fails_once(folder.path())};
  Notifier notifier(settings, {});
  notifier.tell("1");
  while (!fs::exists(folder.path() / "seen")) std::this_thread::yield();
  notifier.finish(seconds(600));
  CHECK(notifier.counts().delivered == 1);
}

TEST_CASE("a command that hangs, does not read, or does not exist is an outcome, not a failure") {
  const std::string much(300'000, 'x');
  CHECK(run_command("cat > /dev/null", much, seconds(20), {}).empty());
  CHECK(run_command("exec 0<&-; true", much, seconds(20), {}).empty());
  CHECK(run_command("exit 7", "", seconds(20), {}) == "it ended with 7");
  CHECK(run_command("kill -9 $$", "", seconds(20), {}) == "it ended by signal 9");
  CHECK(run_command("no-such-program-here 2>/dev/null", "", seconds(20), {}) == "it ended with 127");
  CHECK(run_command("sleep 100", "", milliseconds(50), {}) == "it took too long and was killed");
  std::stop_source stopped;
  stopped.request_stop();
  CHECK(run_command("sleep 100", "", seconds(60), stopped.get_token()) == "stopped");
}

TEST_CASE("pauses double up to their longest, with jitter") {
  Backoff backoff(milliseconds(100), seconds(1), 7);
  for (const double longest : {0.1, 0.2, 0.4, 0.8, 1.0, 1.0}) {
    const double pause = backoff.next().seconds();
    CHECK(pause >= longest / 2);
    CHECK(pause <= longest);
  }
  backoff.reset();
  CHECK(backoff.next().seconds() <= 0.1);
  for (int i = 0; i < 100; ++i) CHECK(backoff.next() <= seconds(1));
}

TEST_CASE("a breaker opens after failures in a row and lets one try through later") {
  using State = CircuitBreaker::State;
  CircuitBreaker breaker(3, seconds(10));
  CHECK_FALSE(breaker.failed(0));
  CHECK_FALSE(breaker.failed(1));
  CHECK(breaker.state(1) == State::closed);
  CHECK(breaker.failed(2));
  CHECK(breaker.state(3) == State::open);
  CHECK(breaker.until() == 2 + 10 * kSecond);
  CHECK(breaker.state(2 + 10 * kSecond) == State::half_open);
  CHECK_FALSE(breaker.failed(2 + 10 * kSecond));  // it was open before
  CHECK(breaker.state(3 + 10 * kSecond) == State::open);
  breaker.succeeded();
  CHECK(breaker.state(3 + 10 * kSecond) == State::closed);
}
