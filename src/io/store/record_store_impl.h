// A store's open file and the statements that several of its functions share. Private to store. Thread rule: one thread
// at a time an object.
#pragma once

#include <fmt/format.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "anomctl/core/error.h"
#include "anomctl/io/store/record_store.h"
#include "io/sqlite/sqlite.h"

namespace anomctl {

struct RecordStore::Impl {
  Impl(const fs::path& file, Open how);

  std::int64_t one(const char* sql) const {
    sqlite::Statement statement(database, sql);
    return statement.step() ? statement.number(0) : 0;
  }
  // The number of a text in a table of such, made where it is new. Within a transaction.
  std::int64_t number_of(std::map<std::string, std::int64_t>& known, const char* table, const char* column,
                         const std::string& text);
  void insert_rows(const StoredLayout& layout, const std::vector<StoredRow>& rows, Nanoseconds now);
  void insert_episodes(const std::vector<StoredEpisode>& episodes, Nanoseconds now);

  template <class F>
  void transaction(F work) {
    database.run("BEGIN IMMEDIATE");
    try {
      work();
      database.run("COMMIT");
    } catch (...) {
      // What was numbered within is not there any more.
      assets.clear();
      layouts.clear();
      marked = 0;
      try {
        database.run("ROLLBACK");
      } catch (const sqlite::SqliteError&) {  // SQLite has rolled back by itself
      }
      throw;
    }
  }

  template <class F>
  auto reading(F work) const {
    try {
      return work();
    } catch (const sqlite::SqliteError& error) {
      const std::string text = fmt::format("{}: {}", path.string(), error.what());
      throw error.damaged() ? input_error(text) : failed(text);
    }
  }

  std::vector<StoredLabel> select_labels(const char* where, const std::string& text) const;

  const fs::path path;
  sqlite::Database database;
  std::map<std::string, std::int64_t> assets, layouts;
  Nanoseconds marked = 0;
};

// A layout as the text that the table of layouts holds.
std::string layout_text(const StoredLayout& layout);
StoredLayout layout_of(const std::string& text);

}  // namespace anomctl
