// SQLite as far as the spool and the store need it. What it refuses is thrown as SqliteError and never leaves the room.
// Private to io. Thread rule: one thread at a time an object.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "anomctl/core/files.h"

namespace anomctl::sqlite {

class SqliteError : public std::runtime_error {
 public:
  SqliteError(int code, const std::string& what) : std::runtime_error(what), code_(code) {}
  // The file's structure is damaged, or it is no database.
  bool damaged() const { return (code_ & 0xff) == SQLITE_CORRUPT || (code_ & 0xff) == SQLITE_NOTADB; }
  bool busy() const { return (code_ & 0xff) == SQLITE_BUSY; }

 private:
  int code_;
};

class Database {
 public:
  explicit Database(const fs::path& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  void run(const char* sql);
  sqlite3* handle() const { return handle_; }

 private:
  sqlite3* handle_ = nullptr;
};

class Statement {
 public:
  Statement(const Database& database, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  Statement& bind(int at, std::int64_t value);
  Statement& bind(int at, std::string_view bytes);      // as a blob; must live until step
  Statement& bind_text(int at, std::string_view text);  // must live until step
  Statement& bind_real(int at, double value);           // not a number: NULL
  bool step();                                          // true: a row
  void reset();
  void finish();  // steps once and resets, also when that throws
  std::int64_t number(int column) const;
  std::string_view blob(int column) const;  // until the next step
  std::string text(int column) const;
  double real(int column) const;  // NULL: not a number

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace anomctl::sqlite
