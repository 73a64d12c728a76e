#include "io/sqlite/sqlite.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "anomctl/core/json.h"

namespace anomctl::sqlite {
namespace {

// Text of a damaged file may be any bytes; what is told of it is text.
std::string as_utf8(std::string text) {
  if (!is_utf8(text))
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  return text;
}

[[noreturn]] void fail(sqlite3* database, int code) {
  const int system = database != nullptr ? sqlite3_system_errno(database) : 0;
  std::string text = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  if (system != 0) text += fmt::format(" ({})", std::generic_category().message(system));
  throw SqliteError(code, as_utf8(text));
}

}  // namespace

Database::Database(const fs::path& path) {
  const int code = sqlite3_open_v2(path.c_str(), &handle_,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) {
    const std::string text = handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
    sqlite3_close(handle_);
    throw SqliteError(code, text);
  }
}

Database::~Database() { sqlite3_close(handle_); }

void Database::run(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(handle_, code);
}

Statement::Statement(const Database& database, const char* sql) : database_(database.handle()) {
  const int code = sqlite3_prepare_v2(database_, sql, -1, &statement_, nullptr);
  if (code != SQLITE_OK) fail(database_, code);
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(int at, std::int64_t value) {
  sqlite3_bind_int64(statement_, at, value);
  return *this;
}

Statement& Statement::bind(int at, std::string_view bytes) {
  sqlite3_bind_blob64(statement_, at, bytes.data(), bytes.size(), SQLITE_STATIC);
  return *this;
}

Statement& Statement::bind_text(int at, std::string_view text) {
  sqlite3_bind_text64(statement_, at, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_real(int at, double value) {
  sqlite3_bind_double(statement_, at, value);  // SQLite takes what is not a number for NULL
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  fail(database_, code);
}

void Statement::reset() { sqlite3_reset(statement_); }

void Statement::finish() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_DONE || code == SQLITE_ROW) {
    sqlite3_reset(statement_);
    return;
  }
  try {
    fail(database_, code);
  } catch (...) {
    sqlite3_reset(statement_);
    throw;
  }
}

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(statement_, column); }

std::string_view Statement::blob(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return bytes == nullptr ? std::string_view{} : std::string_view(static_cast<const char*>(bytes), size);
}

std::string Statement::text(int column) const { return as_utf8(std::string(blob(column))); }

double Statement::real(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::numeric_limits<double>::quiet_NaN();
  return sqlite3_column_double(statement_, column);
}

}  // namespace anomctl::sqlite
