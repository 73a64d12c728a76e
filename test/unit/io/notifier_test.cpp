#include "anomctl/io/notify/notifier.h"

#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <set>
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

void tell(Notifier& notifier, const std::string& payload, std::uint64_t number = 0) {
  for (const std::string& sink : notifier.sinks()) CHECK(notifier.tell(sink, payload, number));
}

// Numbers that need no further care, as they are told.
struct DoneList {
  std::mutex mutex;
  std::vector<std::uint64_t> numbers;
  Notifier::Done note() {
    return [this](std::uint64_t number) {
      std::lock_guard lock(mutex);
      numbers.push_back(number);
    };
  }
};

}  // namespace

TEST_CASE("a command gets each alert on its standard input, and is tried again when it fails") {
  const TemporaryFolder folder;
  NotifySettings settings;
  settings.alert_command = {fails_once(folder.path())};
  Notifier notifier(settings, {});
  tell(notifier, "{\"n\":1}");
  tell(notifier, "{\"n\":2}");
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
  for (int i = 0; i < 3; ++i) tell(notifier, "x");
  notifier.finish(seconds(20));
  CHECK(notifier.counts().delivered == 0);
  CHECK(notifier.counts().dropped == 3);
  settings.webhook = {"ftp://x"};
  CHECK_THROWS_AS(Notifier(settings, {}), UsageError);
  settings.webhook = {"SECRET"};
  CHECK_THROWS_WITH(Notifier(settings, {}), !Contains("SECRET"));
}

TEST_CASE("a receiver that is away does not hold up the end") {
  NotifySettings settings;
  settings.alert_command = {"exit 1"};
  settings.webhook = {"http://127.0.0.1:1/word"};  // nobody listens there
  Notifier notifier(settings, {});
  for (int i = 0; i < 3; ++i) tell(notifier, "x");
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
  tell(notifier, "1");
  while (!fs::exists(folder.path() / "seen")) std::this_thread::yield();
  notifier.finish(seconds(600));
  CHECK(notifier.counts().delivered == 1);
}

TEST_CASE("who keeps messages hears of each that was taken or dropped, not of one that is left at the end") {
  const TemporaryFolder folder;
  DoneList done;
  NotifySettings settings;
  settings.alert_command = {fails_once(folder.path())};
  Notifier notifier(settings, {}, done.note());
  tell(notifier, "1", 7);
  tell(notifier, "2", 9);
  notifier.finish(seconds(600));
  CHECK(done.numbers == std::vector<std::uint64_t>{7, 9});

  done.numbers.clear();
  settings.alert_command = {"exit 1"};
  Notifier away(settings, {}, done.note());
  tell(away, "1", 7);
  tell(away, "2", 9);
  away.finish(seconds(600));
  CHECK(done.numbers.empty());
  CHECK(away.counts().dropped == 0);

  settings.notify_for = milliseconds(1);
  Notifier late(settings, {}, done.note());
  tell(late, "1", 7);
  late.finish(seconds(600));
  CHECK(done.numbers == std::vector<std::uint64_t>{7});
  CHECK(late.counts().dropped == 1);
}

TEST_CASE("more than may wait for a sink: the oldest are dropped, counted and need no further care") {
  DoneList done;
  NotifySettings settings;
  settings.alert_command = {"sleep 100"};
  settings.notify_queue = 2;
  Notifier notifier(settings, {}, done.note());
  for (std::uint64_t number = 1; number <= 10; ++number) tell(notifier, "x", number);
  const std::int64_t dropped = notifier.counts().dropped;
  CHECK((dropped == 7 || dropped == 8));  // whether the thread had taken one already
  CHECK(static_cast<std::int64_t>(done.numbers.size()) == dropped);
  notifier.finish(milliseconds(1));
  CHECK(notifier.counts().dropped == dropped);
}

TEST_CASE("a sink's name is the same for the same receiver, and does not tell it") {
  NotifySettings settings;
  settings.webhook = {"http://127.0.0.1:1/SECRET", "http://127.0.0.1:1/OTHER"};
  settings.alert_command = {"true"};
  const std::vector<std::string> sinks = Notifier(settings, {}).sinks();
  CHECK(sinks == Notifier(settings, {}).sinks());
  CHECK(std::set<std::string>(sinks.begin(), sinks.end()).size() == 3);
  for (const std::string& sink : sinks) CHECK(sink.find("SECRET") == std::string::npos);
  CHECK_FALSE(Notifier(settings, {}).tell("another", "x"));
}

TEST_CASE("a command that hangs, does not read, or does not exist is an outcome, not a failure") {
  const std::string much(300'000, 'x');
  CHECK(run_command("cat > /dev/null", much, seconds(20), {}).empty());
  CHECK(run_command("exec 0<&-; true", much, seconds(20), {}).empty());
  // Nothing that a library left open reaches it: its standard input is its only socket.
  const int left_open = ::socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(run_command("[ $(ls -l /proc/$$/fd | grep -c socket) = 1 ]", "", seconds(20), {}).empty());
  ::close(left_open);
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
