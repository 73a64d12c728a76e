// The two tables of a spool file, and what is done when SQLite cannot read them any more. Private to spool. Thread
// rule: one thread at a time an object.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/spool/frame.h"
#include "io/sqlite/sqlite.h"

namespace anomctl::spool {

using sqlite::Database;
using sqlite::SqliteError;
using sqlite::Statement;

class Store {
 public:
  // Throws SqliteError.
  Store(const fs::path& path, bool durable);

  void begin() { begin_.finish(); }
  void commit() { commit_.finish(); }
  void roll_back() noexcept;
  void insert(std::int64_t number, std::string_view frame);
  std::uint64_t erase(std::int64_t number);       // the bytes that went
  std::uint64_t erase_upto(std::int64_t number);  // the same
  void put(const std::string& name, std::string_view frame);
  std::optional<std::string> get(const std::string& name);
  std::vector<std::string> names();
  // From the front until `take` returns false.
  void each(std::int64_t from, const std::function<bool(std::int64_t number, std::string_view frame)>& take);
  void each_size(const std::function<bool(std::int64_t number, std::uint64_t size)>& take);
  // Throws SqliteError when the file's structure is not whole.
  void check();

 private:
  Database database_;
  Statement begin_, commit_, insert_, erase_, erase_upto_, put_, get_;
};

fs::path log_of(const fs::path& path);  // SQLite's write-ahead log
// The bytes at the front of such a log that end with its last commit; all of it where its head cannot be read.
std::string_view committed_part(std::string_view log);

// All that can still be found of a damaged file, which is put aside as PATH.damaged.
Found take_apart(const fs::path& path, std::unique_ptr<Store> store);

}  // namespace anomctl::spool
