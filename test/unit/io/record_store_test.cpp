#include "anomctl/io/store/record_store.h"

#include <sys/resource.h>

#include <cmath>
#include <fstream>

#include "anomctl/core/error.h"
#include "anomctl/io/store/store_writer.h"
#include "io/sqlite/sqlite.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

const StoredLayout kLayout{{{"flow", "m3/h"}, {"power", ""}}, "pump", 0.5};

StoredRow row_of(const std::string& asset, Nanoseconds time, double flow = 1) {
  return {asset, time, "id" + std::to_string(time), 0.5, 2, false, "normal", "", "", {flow, std::nan("")}, {1.5, 2.5}};
}

StoredEpisode episode_of(const std::string& id, Nanoseconds start, bool closed) {
  return {id, "a", "anomaly", start, start + 5, closed, R"({"id":")" + id + R"("})"};
}

std::size_t rows_in(const fs::path& path) {
  return RecordStore(path, RecordStore::Open::existing).rows({}).rows.size();
}

}  // namespace

TEST_CASE("rows come back as they were written, by asset and time, the newest so many") {
  const TemporaryFolder folder;
  RecordStore store(folder.path() / "s", RecordStore::Open::create);
  REQUIRE(store.write(kLayout, {{row_of("b", 30), row_of("a", 10, 0.1), row_of("a", 20)}, {}}, 1).empty());
  const StoredRows a = store.rows({"a", std::nullopt, std::nullopt, 10});
  CHECK(a.layout == kLayout);
  REQUIRE(a.rows.size() == 2);
  CHECK(a.rows[0].time == 10);
  CHECK(a.rows[0].values[0] == 0.1);
  CHECK(std::isnan(a.rows[0].values[1]));
  CHECK(a.rows[0].expected == std::vector<double>{1.5, 2.5});
  CHECK(a.rows[0].id == "id10");
  CHECK(store.rows({"a", std::nullopt, std::nullopt, 1}).rows.at(0).time == 20);
  CHECK(store.rows({"", 15, 30, 10}).rows.size() == 2);
  CHECK(store.assets() == std::vector<std::string>{"a", "b"});
  CHECK(store.last_rows().at(0).time == 20);
}

TEST_CASE("the same row or episode again is one, and a verdict of silence has no values") {
  const TemporaryFolder folder;
  RecordStore store(folder.path() / "s", RecordStore::Open::create);
  StoredRow silence = row_of("a", 10);
  silence.values.clear();
  silence.expected.clear();
  silence.score = std::nan("");
  for (int i = 0; i < 2; ++i) REQUIRE(store.write(kLayout, {{silence}, {episode_of("e", 5, i == 1)}}, 1).empty());
  const auto rows = store.rows({}).rows;
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].values.empty());
  CHECK(std::isnan(rows[0].score));
  REQUIRE(store.episodes({}).size() == 1);
  CHECK(store.episodes({})[0].closed);
}

TEST_CASE("rows of another layout are left out and counted") {
  const TemporaryFolder folder;
  RecordStore store(folder.path() / "s", RecordStore::Open::create);
  REQUIRE(store.write({{{"old", ""}}, "old", 1}, {{row_of("a", 1)}, {}}, 1).empty());
  REQUIRE(store.write(kLayout, {{row_of("a", 2)}, {}}, 1).empty());
  const StoredRows found = store.rows({});
  CHECK(found.rows.size() == 1);
  CHECK(found.left_out == 1);
  CHECK(found.layout == kLayout);
}

TEST_CASE("labels outlive the store's object, and the last judgement holds") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "s";
  {
    RecordStore store(path, RecordStore::Open::create);
    for (const char* kind : {"true", "acknowledged", "false"}) store.add_label({0, 7, "a", "e", 1, 2, kind, "", "ann"});
    store.add_label({0, 8, "b", "", 1, 2, "comment", "<b>words</b>", "ann"});
  }
  const RecordStore store(path, RecordStore::Open::existing);
  const auto labels = store.labels("a");
  REQUIRE(labels.size() == 3);
  CHECK(labels[0].number == 1);
  CHECK(judgement(labels) == "false");
  CHECK(store.labels().back().comment == "<b>words</b>");
  CHECK(store.labels_of_episode("e").size() == 3);
  CHECK(judgement({}) == "none");
}

TEST_CASE("the oldest rows go when there are too many bytes, and by age; labelled episodes stay") {
  const TemporaryFolder folder;
  RecordStore store(folder.path() / "s", RecordStore::Open::create);
  RecordStore::Batch batch;
  for (int i = 0; i < 5000; ++i) batch.rows.push_back(row_of("a", i));
  batch.episodes = {episode_of("gone", 1, true), episode_of("kept", 2, true), episode_of("open", 3, false)};
  REQUIRE(store.write(kLayout, batch, kHour).empty());
  store.add_label({0, 1, "a", "kept", 2, 3, "true", "", ""});
  const std::uint64_t bytes = store.bytes();
  CHECK(store.prune({bytes, {}}, 2 * kHour) == 0);
  const std::int64_t gone = store.prune({bytes * 3 / 4, {}}, 2 * kHour);
  CHECK(gone > 1000);
  CHECK(gone < 2500);
  CHECK(store.rows({}).rows.front().time == gone);
  CHECK(store.bytes() <= bytes * 3 / 4 + 200'000);
  CHECK(store.prune({bytes, seconds(7200)}, 2 * kHour) == 0);
  CHECK(store.prune({bytes, seconds(60)}, 2 * kHour) == 5000 - gone);
  CHECK(store.episodes({}).size() == 2);
}

TEST_CASE("a file that is no store is said, and the writer puts a damaged one aside") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "s";
  std::ofstream(path) << std::string(10'000, 'x');
  CHECK_THROWS_AS(RecordStore(path, RecordStore::Open::existing), Error);
  CHECK_THROWS_AS(RecordStore(folder.path() / "none", RecordStore::Open::existing), Error);
  {
    StoreWriter writer({path, {}});
    writer.set_layout(kLayout);
    writer.put(row_of("a", 1));
  }
  CHECK(fs::exists(path.string() + ".damaged"));
  CHECK(rows_in(path) == 1);
}

TEST_CASE("a store that another process holds is waited for without holding anybody up") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "s";
  StoreWriterSettings settings{path, {}};
  settings.max_waiting = 100;
  settings.batch_wait = milliseconds(1);
  settings.retry = milliseconds(1);
  StoreWriter writer(settings);
  writer.set_layout(kLayout);
  {
    sqlite::Database other(path);
    other.run("BEGIN IMMEDIATE");
    for (int i = 0; i < 1000; ++i) writer.put(row_of("a", i));
    while (writer.counts().trouble.empty()) std::this_thread::yield();
    CHECK_THAT(writer.counts().trouble, Catch::Contains("locked"));
    CHECK(writer.counts().waiting <= 100);
    other.run("ROLLBACK");
  }
  writer.put(row_of("a", 1000));
  writer.finish();
  const StoreWriterCounts counts = writer.counts();
  CHECK(counts.trouble.empty());
  CHECK(counts.stored + counts.dropped == 1001);
  CHECK(counts.dropped > 0);
  CHECK(static_cast<std::int64_t>(rows_in(path)) == counts.stored);
  CHECK(RecordStore(path, RecordStore::Open::existing).rows({}).rows.back().time == 1000);
}

TEST_CASE("a full disk is said and counted, and written to again when there is room") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "s";
  StoreWriterSettings settings{path, {}};
  settings.batch_wait = milliseconds(1);
  settings.retry = milliseconds(1);
  settings.max_waiting = 10'000;
  settings.close_within = milliseconds(200);
  StoreWriter writer(settings);
  writer.set_layout(kLayout);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{200'000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  for (int i = 0; i < 5000; ++i) writer.put(row_of("a", i));
  while (writer.counts().trouble.empty()) std::this_thread::yield();
  setrlimit(RLIMIT_FSIZE, &before);
  writer.finish();
  CHECK(writer.counts().stored == 5000);
  CHECK(rows_in(path) == 5000);
}
