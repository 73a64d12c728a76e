#include "anomctl/io/store/record_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/core/log.h"
#include "io/sqlite/sqlite.h"
#include "io/store/schema.h"

namespace anomctl {
namespace {

using sqlite::Database;
using sqlite::SqliteError;
using sqlite::Statement;

constexpr std::int64_t kPrunedAtOnce = 20'000;
constexpr Nanoseconds kLongest = std::numeric_limits<Nanoseconds>::max();

template <class T>
std::string bytes_of(const std::vector<double>& values) {
  std::vector<T> narrow(values.begin(), values.end());
  return {reinterpret_cast<const char*>(narrow.data()), narrow.size() * sizeof(T)};
}

template <class T>
std::vector<double> values_of(std::string_view bytes) {
  std::vector<T> narrow(bytes.size() / sizeof(T));
  if (!narrow.empty()) std::memcpy(narrow.data(), bytes.data(), narrow.size() * sizeof(T));
  return {narrow.begin(), narrow.end()};
}

std::string layout_text(const StoredLayout& layout) {
  Json columns = Json::array();
  for (const StoredColumn& column : layout.columns) {
    Json one = Json::object();
    one["name"] = column.name;
    one["unit"] = column.unit;
    columns.push_back(std::move(one));
  }
  Json json = Json::object();
  json["columns"] = std::move(columns);
  json["model"] = layout.model;
  json["period_s"] = layout.period_s;
  return json.dump();
}

StoredLayout layout_of(const std::string& text) {
  const Json json = Json::parse(text, "layout of the store");
  StoredLayout layout;
  for (const Json& column : json.at("columns").as_array())
    layout.columns.push_back({column.at("name").as_string(), column.at("unit").as_string()});
  layout.model = json.at("model").as_string();
  layout.period_s = json.at("period_s").as_double();
  return layout;
}

}  // namespace

bool is_label_kind(const std::string& kind) {
  return kind == "true" || kind == "false" || kind == "none" || kind == "acknowledged" || kind == "comment";
}

std::string judgement(const std::vector<StoredLabel>& labels) {
  std::string last = "none";
  for (const StoredLabel& label : labels)
    if (label.kind == "true" || label.kind == "false" || label.kind == "none") last = label.kind;
  return last;
}

struct RecordStore::Impl {
  Impl(const fs::path& file, Open how) : path(file), database(file) {
    database.run(
        "PRAGMA busy_timeout=2000; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
        "PRAGMA journal_size_limit=16777216; PRAGMA cell_size_check=ON");
    const std::int64_t version = one("PRAGMA user_version");
    if (version == 0 && how == Open::create && one("SELECT count(*) FROM sqlite_schema") == 0) {
      database.run("BEGIN IMMEDIATE");
      // Another process may have been faster.
      if (one("PRAGMA user_version") == 0) database.run(store::kSchema);
      database.run(fmt::format("PRAGMA user_version={}; COMMIT", store::kVersion).c_str());
    } else if (version == 0) {
      throw input_error(fmt::format("{}: this is no store of anomctl", path.string()));
    } else if (version > store::kVersion) {
      throw input_error(
          fmt::format("{}: the store is of kind {}, this program knows {}", path.string(), version, store::kVersion));
    }
  }

  std::int64_t one(const char* sql) const {
    Statement statement(database, sql);
    return statement.step() ? statement.number(0) : 0;
  }

  // The number of a text in a table of such, made where it is new. Within a transaction.
  std::int64_t number_of(std::map<std::string, std::int64_t>& known, const char* table, const char* column,
                         const std::string& text) {
    if (const auto found = known.find(text); found != known.end()) return found->second;
    Statement(database, fmt::format("INSERT OR IGNORE INTO {}({}) VALUES(?)", table, column).c_str())
        .bind_text(1, text)
        .step();
    Statement select(database, fmt::format("SELECT number FROM {} WHERE {} = ?", table, column).c_str());
    select.bind_text(1, text).step();
    return known[text] = select.number(0);
  }

  void insert_rows(const StoredLayout& layout, const std::vector<StoredRow>& rows, Nanoseconds now) {
    const std::int64_t layout_number = number_of(layouts, "layouts", "body", layout_text(layout));
    Statement insert(database,
                     "INSERT OR REPLACE INTO rows(asset, time, layout, id, score, threshold, is_anomaly, state, "
                     "episode, reason, vals, expected) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)");
    for (const StoredRow& row : rows) {
      const std::string values = bytes_of<double>(row.values), expected = bytes_of<float>(row.expected);
      insert.bind(1, number_of(assets, "assets", "name", row.asset)).bind(2, row.time).bind(3, layout_number);
      insert.bind_text(4, row.id).bind_real(5, row.score).bind_real(6, row.threshold);
      insert.bind(7, static_cast<std::int64_t>(row.is_anomaly)).bind_text(8, row.state).bind_text(9, row.episode);
      insert.bind_text(10, row.reason).bind(11, std::string_view(values)).bind(12, std::string_view(expected));
      insert.finish();
    }
    if (rows.empty() || now - marked < kMinute) return;
    marked = now;
    Statement(database, "INSERT INTO written(time, upto) VALUES(?, (SELECT max(number) FROM rows))")
        .bind(1, now)
        .step();
  }

  void insert_episodes(const std::vector<StoredEpisode>& episodes, Nanoseconds now) {
    Statement insert(database,
                     "INSERT INTO episodes(id, asset, kind, start, end, closed, body, written) VALUES(?,?,?,?,?,?,?,?) "
                     "ON CONFLICT(id) DO UPDATE SET end=excluded.end, closed=max(closed, excluded.closed), "
                     "body=excluded.body, written=excluded.written");
    for (const StoredEpisode& episode : episodes) {
      insert.bind_text(1, episode.id).bind_text(2, episode.asset).bind_text(3, episode.kind).bind(4, episode.start);
      insert.bind(5, episode.end).bind(6, static_cast<std::int64_t>(episode.closed)).bind_text(7, episode.body);
      insert.bind(8, now);
      insert.finish();
    }
  }

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
      } catch (const SqliteError&) {  // SQLite has rolled back by itself
      }
      throw;
    }
  }

  template <class F>
  auto reading(F work) const {
    try {
      return work();
    } catch (const SqliteError& error) {
      throw failed(fmt::format("{}: {}", path.string(), error.what()));
    }
  }

  std::vector<StoredLabel> select_labels(const char* where, const std::string& text) const {
    return reading([&] {
      Statement select(database, fmt::format("SELECT number, time, asset, episode, start, end, kind, comment, author "
                                             "FROM labels WHERE {} ORDER BY number",
                                             where)
                                     .c_str());
      select.bind_text(1, text);
      std::vector<StoredLabel> labels;
      while (select.step())
        labels.push_back({select.number(0), select.number(1), select.text(2), select.text(3), select.number(4),
                          select.number(5), select.text(6), select.text(7), select.text(8)});
      return labels;
    });
  }

  const fs::path path;
  Database database;
  std::map<std::string, std::int64_t> assets, layouts;
  Nanoseconds marked = 0;
};

RecordStore::RecordStore(const fs::path& path, Open how) {
  if (how == Open::existing && !fs::exists(path))
    throw input_error(fmt::format("{}: there is no store (anomctl manage --store makes one)", path.string()));
  try {
    if (how == Open::create && path.has_parent_path()) fs::create_directories(path.parent_path());
    if (how == Open::create && !fs::exists(path)) log_info("{}: a new history begins", path.string());
    impl_ = std::make_unique<Impl>(path, how);
  } catch (const SqliteError& error) {
    const std::string text = fmt::format("{}: {}", path.string(), error.what());
    throw error.damaged() ? input_error(text) : failed(text);
  } catch (const fs::filesystem_error& error) {
    throw failed(fmt::format("{}: {}", path.string(), error.code().message()));
  }
}
RecordStore::~RecordStore() = default;
RecordStore::RecordStore(RecordStore&&) noexcept = default;

std::string RecordStore::write(const StoredLayout& layout, const Batch& batch, Nanoseconds now) {
  try {
    impl_->transaction([&] {
      impl_->insert_rows(layout, batch.rows, now);
      impl_->insert_episodes(batch.episodes, now);
    });
    return {};
  } catch (const SqliteError& error) {
    return fmt::format("{}: {}", impl_->path.string(), error.what());
  }
}

std::uint64_t RecordStore::bytes() const {
  return impl_->reading([&] {
    return static_cast<std::uint64_t>((impl_->one("PRAGMA page_count") - impl_->one("PRAGMA freelist_count")) *
                                      impl_->one("PRAGMA page_size"));
  });
}

std::int64_t RecordStore::prune(const StoreBounds& bounds, Nanoseconds now) {
  Impl& impl = *impl_;
  std::int64_t gone = 0;
  try {
    impl.transaction([&] {
      std::int64_t upto = 0;
      if (bounds.keep.ns > 0) {
        Statement old(impl.database, "SELECT max(upto) FROM written WHERE time < ?");
        if (old.bind(1, now - bounds.keep.ns).step()) upto = old.number(0);
        Statement(impl.database,
                  "DELETE FROM episodes WHERE closed AND written < ? AND id NOT IN (SELECT episode FROM labels)")
            .bind(1, now - bounds.keep.ns)
            .step();
      }
      const std::int64_t first = impl.one("SELECT min(number) FROM rows");
      // The share of the rows that is too much, and a sixteenth, so that it is not the same again at once.
      const std::uint64_t used = bytes();
      if (used > bounds.max_bytes) {
        const auto n = static_cast<double>(impl.one("SELECT max(number) FROM rows") - first + 1);
        const double share = 1 - static_cast<double>(bounds.max_bytes) * 15 / 16 / static_cast<double>(used);
        upto = std::max(upto, first + static_cast<std::int64_t>(n * share));
      }
      if (upto < first) return;
      upto = std::min(upto, first + kPrunedAtOnce);
      Statement(impl.database, "DELETE FROM rows WHERE number <= ?").bind(1, upto).step();
      gone = impl.one("SELECT changes()");
      Statement(impl.database, "DELETE FROM written WHERE upto <= ?").bind(1, upto).step();
    });
  } catch (const SqliteError&) {
    return 0;  // locked or full: the next write says so
  }
  return gone;
}

std::vector<std::string> RecordStore::assets() const {
  return impl_->reading([&] {
    Statement select(impl_->database, "SELECT name FROM assets ORDER BY name");
    std::vector<std::string> names;
    while (select.step()) names.push_back(select.text(0));
    return names;
  });
}

std::vector<StoredRow> RecordStore::last_rows() const {
  return impl_->reading([&] {
    Statement select(
        impl_->database,
        "SELECT a.name, r.time, r.id, r.score, r.threshold, r.is_anomaly, r.state, r.episode, r.reason FROM "
        "assets a JOIN rows r ON r.asset = a.number AND r.time = (SELECT max(time) FROM rows WHERE asset = "
        "a.number) ORDER BY a.name");
    std::vector<StoredRow> rows;
    while (select.step())
      rows.push_back({select.text(0),
                      select.number(1),
                      select.text(2),
                      select.real(3),
                      select.real(4),
                      select.number(5) != 0,
                      select.text(6),
                      select.text(7),
                      select.text(8),
                      {},
                      {}});
    return rows;
  });
}

StoredRows RecordStore::rows(const RowQuery& query) const {
  return impl_->reading([&] {
    Statement select(
        impl_->database,
        fmt::format("SELECT a.name, r.time, r.id, r.score, r.threshold, r.is_anomaly, r.state, r.episode, "
                    "r.reason, r.vals, r.expected, l.body FROM rows r JOIN assets a ON a.number = r.asset "
                    "JOIN layouts l ON l.number = r.layout WHERE {} r.time BETWEEN ? AND ? ORDER BY r.time {} "
                    "LIMIT ?",
                    query.asset.empty() ? "length(?) = 0 AND" : "a.name = ? AND", query.oldest ? "ASC" : "DESC")
            .c_str());
    select.bind_text(1, query.asset).bind(2, query.from.value_or(-kLongest)).bind(3, query.to.value_or(kLongest));
    select.bind(4, static_cast<std::int64_t>(query.limit));
    StoredRows found;
    std::vector<StoredColumn> columns = query.columns;
    std::map<std::string, bool> fits;  // layouts
    std::size_t seen = 0;
    while (select.step()) {
      found.more = ++seen == query.limit;
      found.last = select.number(1);
      const std::string body = select.text(11);
      if (!fits.contains(body)) {
        StoredLayout layout = layout_of(body);
        if (columns.empty()) columns = layout.columns;
        fits[body] = layout.columns == columns;
        if (fits[body] && found.layout.columns.empty()) found.layout = std::move(layout);
      }
      if (!fits[body]) {
        ++found.left_out;
        continue;
      }
      found.rows.push_back({select.text(0), select.number(1), select.text(2), select.real(3), select.real(4),
                            select.number(5) != 0, select.text(6), select.text(7), select.text(8),
                            values_of<double>(select.blob(9)), values_of<float>(select.blob(10))});
    }
    if (!query.oldest) std::reverse(found.rows.begin(), found.rows.end());
    return found;
  });
}

std::vector<StoredEpisode> RecordStore::episodes(const EpisodeQuery& query) const {
  return impl_->reading([&] {
    Statement select(
        impl_->database,
        "SELECT id, asset, kind, start, end, closed, body FROM episodes WHERE (length(?1) = 0 OR asset = ?1) "
        "AND (length(?2) = 0 OR id = ?2) AND start < ?3 ORDER BY start DESC, id LIMIT ?4");
    select.bind_text(1, query.asset).bind_text(2, query.id).bind(3, query.before.value_or(kLongest));
    select.bind(4, static_cast<std::int64_t>(query.limit));
    std::vector<StoredEpisode> episodes;
    while (select.step())
      episodes.push_back({select.text(0), select.text(1), select.text(2), select.number(3), select.number(4),
                          select.number(5) != 0, select.text(6)});
    return episodes;
  });
}

std::int64_t RecordStore::add_label(const StoredLabel& label) {
  return impl_->reading([&] {
    Statement insert(
        impl_->database,
        "INSERT INTO labels(time, asset, episode, start, end, kind, comment, author) VALUES(?,?,?,?,?,?,?,?)");
    insert.bind(1, label.time).bind_text(2, label.asset).bind_text(3, label.episode).bind(4, label.start);
    insert.bind(5, label.end).bind_text(6, label.kind).bind_text(7, label.comment).bind_text(8, label.author);
    insert.finish();
    return impl_->one("SELECT last_insert_rowid()");
  });
}

std::vector<StoredLabel> RecordStore::labels(const std::string& asset) const {
  return impl_->select_labels("length(?1) = 0 OR asset = ?1", asset);
}

std::vector<StoredLabel> RecordStore::labels_of_episode(const std::string& episode) const {
  return impl_->select_labels("episode = ?1", episode);
}

}  // namespace anomctl
