#include "io/spool/store.h"

#include <fmt/format.h>

namespace anomctl::spool {
namespace {

// A checkpoint each 16 MiB of log: it syncs, and readings wait for it.
const char* const kSetUp =
    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=4000;"
    "PRAGMA journal_size_limit=33554432; PRAGMA cell_size_check=ON;"
    "CREATE TABLE IF NOT EXISTS records(number INTEGER PRIMARY KEY, body BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS named(name BLOB PRIMARY KEY, body BLOB NOT NULL)";

struct SetUp {
  explicit SetUp(Database& database, bool durable) {
    // In this mode the log is synced at each commit (FULL), or before it is moved into the file (NORMAL): then the file
    // is whole after a power cut but may lack the last commits.
    database.run(durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    database.run(kSetUp);
  }
};

Database& set_up(Database& database, bool durable) {
  SetUp(database, durable);
  return database;
}

std::uint64_t erased(Statement& statement) {
  std::uint64_t bytes = 0;
  try {
    while (statement.step()) bytes += static_cast<std::uint64_t>(statement.number(0));
  } catch (...) {
    statement.reset();
    throw;
  }
  statement.reset();
  return bytes;
}

}  // namespace

Store::Store(const fs::path& path, bool durable)
    : database_(path),
      begin_(set_up(database_, durable), "BEGIN IMMEDIATE"),
      commit_(database_, "COMMIT"),
      insert_(database_, "INSERT INTO records(number, body) VALUES(?, ?)"),
      erase_(database_, "DELETE FROM records WHERE number = ? RETURNING length(body)"),
      erase_upto_(database_, "DELETE FROM records WHERE number <= ? RETURNING length(body)"),
      put_(database_, "INSERT OR REPLACE INTO named(name, body) VALUES(?, ?)"),
      get_(database_, "SELECT body FROM named WHERE name = ?") {}

void Store::roll_back() noexcept {
  try {
    database_.run("ROLLBACK");
  } catch (const SqliteError&) {  // SQLite has rolled back by itself
  }
}

void Store::insert(std::int64_t number, std::string_view frame) { insert_.bind(1, number).bind(2, frame).finish(); }
std::uint64_t Store::erase(std::int64_t number) { return erased(erase_.bind(1, number)); }
std::uint64_t Store::erase_upto(std::int64_t number) { return erased(erase_upto_.bind(1, number)); }
void Store::put(const std::string& name, std::string_view frame) { put_.bind(1, name).bind(2, frame).finish(); }

std::optional<std::string> Store::get(const std::string& name) {
  std::optional<std::string> bytes;
  try {
    if (get_.bind(1, std::string_view(name)).step()) bytes = std::string(get_.blob(0));
  } catch (...) {
    get_.reset();
    throw;
  }
  get_.reset();
  return bytes;
}

std::vector<std::string> Store::names() {
  std::vector<std::string> all;
  Statement select(database_, "SELECT name FROM named ORDER BY name");
  while (select.step()) all.emplace_back(select.blob(0));
  return all;
}

void Store::each(std::int64_t from, const std::function<bool(std::int64_t, std::string_view)>& take) {
  Statement select(database_, "SELECT number, body FROM records WHERE number >= ? ORDER BY number");
  select.bind(1, from);
  while (select.step() && take(select.number(0), select.blob(1))) {
  }
}

void Store::each_size(const std::function<bool(std::int64_t, std::uint64_t)>& take) {
  Statement select(database_, "SELECT number, length(body) FROM records ORDER BY number");
  while (select.step() && take(select.number(0), static_cast<std::uint64_t>(select.number(1)))) {
  }
}

void Store::check() {
  Statement check(database_, "PRAGMA quick_check(1)");
  if (!check.step() || check.blob(0) != "ok") throw SqliteError(SQLITE_CORRUPT, "the file's structure is damaged");
}

// https://www.sqlite.org/fileformat2.html#the_write_ahead_log: a head of 32 bytes, then frames of 24 bytes and a page. A
// frame that ends a transaction names the size of the file; those of an earlier log have other salts.
std::string_view committed_part(std::string_view log) {
  constexpr std::size_t kHead = 32, kFrameHead = 24, kSalts = 16;
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(log[at + i]);
    return value;
  };
  if (log.size() < kHead || (number(0) | 1U) != 0x377f0683) return log;
  const std::size_t page = number(8);
  if (page < 512 || page > 65'536 || (page & (page - 1)) != 0) return log;
  std::size_t end = kHead;
  for (std::size_t at = kHead; at + kFrameHead + page <= log.size(); at += kFrameHead + page)
    if (number(at + 4) != 0 && log.substr(at + 8, 8) == log.substr(kSalts, 8)) end = at + kFrameHead + page;
  return log.substr(0, end);
}

fs::path log_of(const fs::path& path) { return path.string() + "-wal"; }

Found take_apart(const fs::path& path, std::unique_ptr<Store> store) {
  Found found;
  // Larger ones than a page of SQLite lie in pieces: only SQLite puts them together.
  Found by_sqlite;
  if (store != nullptr) {
    const auto take = [&](std::string_view bytes) {
      if (read_frame(bytes)) find_frames(bytes, by_sqlite);
    };
    try {
      store->each(0, [&](std::int64_t, std::string_view bytes) {
        take(bytes);
        return true;
      });
    } catch (const SqliteError&) {  // what lies behind the damage is searched for below
    }
    try {
      for (const std::string& name : store->names())
        if (const auto bytes = store->get(name)) take(*bytes);
    } catch (const SqliteError&) {
    }
    store.reset();  // empties the log into the file where it can
  }
  for (const fs::path& part : {path, log_of(path)})
    if (fs::exists(part)) find_frames(read_file(part, 16 * 1024 * kMiB), found);
  for (auto& [number, bytes] : by_sqlite.records) found.records[number] = std::move(bytes);
  for (auto& [name, bytes] : by_sqlite.values) found.values[name] = std::move(bytes);
  for (const auto& [number, bytes] : found.records) found.broken.erase(number);
  std::error_code ignored;
  fs::rename(path, path.string() + ".damaged", ignored);
  for (const char* tail : {"-wal", "-shm"}) fs::remove(path.string() + tail, ignored);
  return found;
}

}  // namespace anomctl::spool
