// The tables of a store. Private to store.
#pragma once

namespace anomctl::store {

inline constexpr std::int64_t kVersion = 2;

// Rows are numbered as they come, so that the oldest leave from the front; `written` says when numbers were given.
inline constexpr const char* kSchema =
    "CREATE TABLE layouts(number INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE);"
    "CREATE TABLE assets(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE rows(number INTEGER PRIMARY KEY, asset INTEGER NOT NULL, time INTEGER NOT NULL, layout INTEGER NOT "
    "NULL, id TEXT NOT NULL, score REAL, threshold REAL, is_anomaly INTEGER NOT NULL, state TEXT NOT NULL, episode "
    "TEXT "
    "NOT NULL, reason TEXT NOT NULL, vals BLOB NOT NULL, expected BLOB NOT NULL, place INTEGER NOT NULL DEFAULT 0, "
    "before BLOB NOT NULL DEFAULT x'', UNIQUE(asset, time));"
    "CREATE TABLE written(time INTEGER NOT NULL, upto INTEGER NOT NULL);"
    "CREATE TABLE episodes(id TEXT PRIMARY KEY, asset TEXT NOT NULL, kind TEXT NOT NULL, start INTEGER NOT NULL, "
    "end INTEGER NOT NULL, closed INTEGER NOT NULL, body TEXT NOT NULL, written INTEGER NOT NULL);"
    "CREATE INDEX episodes_by_start ON episodes(start);"
    "CREATE TABLE labels(number INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, asset TEXT NOT NULL, episode "
    "TEXT NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL, kind TEXT NOT NULL, comment TEXT NOT NULL, author "
    "TEXT "
    "NOT NULL);"
    "CREATE INDEX labels_by_episode ON labels(episode);";

// From kind 1, which kept nothing for judging again.
inline constexpr const char* kFromKind1 =
    "ALTER TABLE rows ADD COLUMN place INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rows ADD COLUMN before BLOB NOT NULL DEFAULT x'';";

}  // namespace anomctl::store
