// The spool's file: what was stored is there after a reopening, whatever was done to the file in between is noticed.
#include "anomctl/io/spool/spool_file.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <fstream>
#include <random>
#include <set>

#include "anomctl/core/error.h"
#include "io/spool/frame.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

// The files as a killed process would leave them.
void copy_spool(const fs::path& from, const fs::path& to) {
  for (const char* tail : {"", "-wal"})
    if (fs::exists(from.string() + tail))
      fs::copy_file(from.string() + tail, to.string() + tail, fs::copy_options::overwrite_existing);
}

void flip(const fs::path& path, std::uint64_t byte, int bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(byte));
  const char flipped = static_cast<char>(file.get() ^ (1 << bit));
  file.seekp(static_cast<std::streamoff>(byte));
  file.put(flipped);
}

std::string reading(std::int64_t i) { return fmt::format("reading {} {}", i, std::string(200, 'x')); }

std::set<std::int64_t> numbers(SpoolFile& spool) {
  std::set<std::int64_t> all;
  for (const SpoolRecord& record : spool.read(0, 1'000'000)) {
    CHECK(record.bytes == reading(record.number));
    all.insert(record.number);
  }
  return all;
}

}  // namespace

TEST_CASE("records and values outlive the process that stored them") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "a.spool", copy = folder.path() / "b.spool";
  SpoolFile spool({path});
  for (std::int64_t i = 1; i <= 500; ++i) REQUIRE(spool.append(reading(i)) == i);
  REQUIRE(
      spool.apply({{reading(501), reading(502)}, {}, 100, {{"state", "one"}, {"large", std::string(50'000, 'y')}}}));
  copy_spool(path, copy);
  SpoolFile again({copy});
  CHECK_FALSE(again.damage().any());
  const auto all = numbers(again);
  CHECK(all.size() == 402);
  CHECK(*all.begin() == 101);
  CHECK(again.last_number() == 502);
  CHECK(again.value("state") == "one");
  CHECK(again.value("large") == std::string(50'000, 'y'));
  CHECK_FALSE(again.value("other"));
  CHECK(again.names() == std::vector<std::string>{"large", "state"});
  CHECK(again.bytes() == spool.bytes());
}

TEST_CASE("numbers are not given twice, also when every record is gone") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "a.spool", copy = folder.path() / "b.spool";
  SpoolOptions options{path};
  options.contiguous = false;
  SpoolFile spool(options);
  REQUIRE(spool.apply({{"a", "b"}, {}, {}, {}}) == 1);
  REQUIRE(spool.apply({{}, {2, 1}, {}, {}}) == 0);
  copy_spool(path, copy);
  options.path = copy;
  SpoolFile again(options);
  CHECK(again.read(0, 10).empty());
  CHECK(again.apply({{"c"}, {}, {}, {}}) == 3);
  CHECK_FALSE(again.damage().any());
}

TEST_CASE("a file has one owner") {
  TemporaryFolder folder;
  SpoolFile spool({folder.path() / "a.spool"});
  CHECK_THROWS_AS(SpoolFile({folder.path() / "a.spool"}), Error);
}

TEST_CASE("the oldest records make room, and those that were needed are counted") {
  TemporaryFolder folder;
  SpoolOptions options{folder.path() / "a.spool"};
  options.max_bytes = 100 * 240;
  options.settled = 150;
  SpoolFile spool(options);
  for (std::int64_t i = 1; i <= 300; ++i) REQUIRE(spool.append(reading(i)) == i);
  CHECK(spool.bytes() <= options.max_bytes);
  const auto left = numbers(spool);
  CHECK(left.size() > 80);
  CHECK(*left.rbegin() == 300);
  CHECK(spool.dropped() == *left.begin() - 1 - 150);
}

TEST_CASE("a full disk stores nothing, says so, and goes on when there is room") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "a.spool", copy = folder.path() / "b.spool";
  SpoolFile spool({path});
  for (std::int64_t i = 1; i <= 20; ++i) REQUIRE(spool.append(reading(i)) == i);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = fs::file_size(path.string() + "-wal");
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto refused = spool.append(reading(21));
  const auto refused_again = spool.apply({{reading(21)}, {1, 2}, {}, {{"a", "b"}}});
  setrlimit(RLIMIT_FSIZE, &before);
  CHECK_FALSE(refused);
  CHECK_FALSE(refused_again);
  CHECK(spool.trouble().find("a.spool") != std::string::npos);
  REQUIRE(spool.append(reading(21)) == 21);
  CHECK(spool.trouble().empty());
  copy_spool(path, copy);
  SpoolFile again({copy});
  CHECK(numbers(again).size() == 21);
  CHECK_FALSE(again.damage().any());
}

TEST_CASE("every flipped bit is survived, and what it cost is counted") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "a.spool", copy = folder.path() / "b.spool";
  const std::int64_t n = 300;
  SpoolFile spool({path});
  for (std::int64_t i = 1; i <= n; ++i) REQUIRE(spool.append(reading(i)) == i);
  std::mt19937_64 random(5);
  std::int64_t noticed = 0, lost = 0;
  const int rounds = 120;
  for (int round = 0; round < rounds; ++round) {
    // In the log, with the file behind it empty, or in the file once the log was emptied into it.
    const bool in_file = round % 2 == 1;
    copy_spool(path, copy);
    if (in_file) SpoolFile{SpoolOptions{copy}};
    const fs::path target = in_file ? copy : fs::path(copy.string() + "-wal");
    const std::uint64_t size = fs::file_size(target);
    const std::uint64_t byte = in_file ? random() % size : size - 1 - random() % std::min<std::uint64_t>(size, 20'000);
    flip(target, byte, static_cast<int>(random() % 8));
    INFO("byte " << byte << " of " << size << (in_file ? " of the file" : " of the log"));
    {
      SpoolFile again({copy});
      const auto all = numbers(again);
      const SpoolDamage damage = again.damage();
      const std::int64_t missing = n - static_cast<std::int64_t>(all.size());
      CHECK(damage.lost >= missing);
      CHECK(damage.lost <= missing + 1);  // a flipped number cannot be told from a record of that number
      CHECK(all.size() >= static_cast<std::size_t>(n - 20));  // a page of them at most
      noticed += damage.any();
      lost += damage.lost;
      REQUIRE(again.append(reading(again.last_number() + 1)));
    }
    SpoolFile{SpoolOptions{copy}};  // and the file is whole again
    for (const char* tail : {"", "-wal", ".damaged"}) fs::remove(copy.string() + tail);
  }
  CHECK(noticed > rounds / 4);
  CHECK(lost > 0);
}

TEST_CASE("a torn tail of the log costs only what was being written") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "a.spool", copy = folder.path() / "b.spool";
  SpoolFile spool({path});
  for (std::int64_t i = 1; i <= 50; ++i) REQUIRE(spool.append(reading(i)) == i);
  const std::uint64_t before = fs::file_size(path.string() + "-wal");
  REQUIRE(spool.append(reading(51)) == 51);
  const std::uint64_t after = fs::file_size(path.string() + "-wal");
  for (std::uint64_t size = before; size < after; size += 97) {
    copy_spool(path, copy);
    fs::resize_file(copy.string() + "-wal", size);
    SpoolFile again({copy});
    const auto all = numbers(again);
    CHECK((all.size() == 50 || all.size() == 51));
    CHECK(again.damage().lost <= 1);
  }
}

TEST_CASE("what was not committed when the process was killed is no damage") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "a.spool", copy = folder.path() / "b.spool";
  SpoolFile spool({path});
  for (std::int64_t i = 1; i <= 50; ++i) REQUIRE(spool.append(reading(i)) == i);
  const std::string log = read_file(path.string() + "-wal", 64 * kMiB);
  std::string broken = spool::make_frame(spool::FrameKind::record, 51, reading(51));
  broken.back() ^= 1;
  for (const bool committed : {false, true}) {
    copy_spool(path, copy);
    std::string frame(24, '\0');
    frame.replace(8, 8, log.substr(16, 8));
    frame[7] = committed ? 9 : 0;
    frame += broken + std::string(4096 - broken.size(), '\0');
    std::ofstream(copy.string() + "-wal", std::ios::app | std::ios::binary) << frame;
    SpoolFile again({copy});
    CHECK(again.damage().lost == (committed ? 1 : 0));
    CHECK(numbers(again).size() == 50);
  }
}

TEST_CASE("a file that is none is put aside") {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "a.spool";
  std::ofstream(path) << std::string(10'000, 'z');
  SpoolFile spool({path});
  CHECK(spool.damage().rebuilt);
  CHECK(fs::exists(path.string() + ".damaged"));
  CHECK(spool.append(reading(1)) == 1);
}
