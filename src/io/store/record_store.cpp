#include "anomctl/io/store/record_store.h"

#include <algorithm>

#include "anomctl/core/json.h"
#include "anomctl/core/log.h"
#include "io/store/record_store_impl.h"
#include "io/store/schema.h"

namespace anomctl {
namespace {

using sqlite::SqliteError;
using sqlite::Statement;

constexpr std::int64_t kPrunedAtOnce = 20'000;

template <class T>
std::string bytes_of(const std::vector<double>& values) {
  std::vector<T> narrow(values.begin(), values.end());
  return {reinterpret_cast<const char*>(narrow.data()), narrow.size() * sizeof(T)};
}

}  // namespace

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
  for (const auto& [key, value] :
       {std::pair{"bundle_hash", &layout.bundle_hash}, std::pair{"instruction_set", &layout.instruction_set},
        std::pair{"options", &layout.options}})
    if (!value->empty()) json[key] = *value;
  return json.dump();
}

StoredLayout layout_of(const std::string& text) {
  const Json json = Json::parse(text, "layout of the store");
  StoredLayout layout;
  for (const Json& column : json.at("columns").as_array())
    layout.columns.push_back({column.at("name").as_string(), column.at("unit").as_string()});
  layout.model = json.at("model").as_string();
  layout.period_s = json.at("period_s").as_double();
  layout.bundle_hash = json.string_or("bundle_hash", "");
  layout.instruction_set = json.string_or("instruction_set", "");
  layout.options = json.string_or("options", "");
  return layout;
}

RecordStore::Impl::Impl(const fs::path& file, Open how) : path(file), database(file) {
  database.run("PRAGMA busy_timeout=2000; PRAGMA cell_size_check=ON");
  // Somebody else's file stays as it is.
  const std::int64_t tables = one("SELECT count(*) FROM sqlite_schema");
  const bool ours =
      one("SELECT count(*) FROM sqlite_schema WHERE name IN ('assets', 'layouts', 'rows', 'labels')") == 4;
  if (!ours && (tables > 0 || how == Open::existing))
    throw input_error(fmt::format("{}: this is no store of anomctl", path.string()));
  database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=16777216");
  std::int64_t version = one("PRAGMA user_version");
  if (version == 0 && how == Open::create && tables == 0) {
    database.run("BEGIN IMMEDIATE");
    // Another process may have been faster.
    if (one("PRAGMA user_version") == 0) database.run(store::kSchema);
    database.run(fmt::format("PRAGMA user_version={}; COMMIT", store::kVersion).c_str());
  } else if (version == 0) {
    throw input_error(fmt::format("{}: this is no store of anomctl", path.string()));
  } else if (version > store::kVersion) {
    throw input_error(
        fmt::format("{}: the store is of kind {}, this program knows {}", path.string(), version, store::kVersion));
  } else if (version == 1) {
    database.run("BEGIN IMMEDIATE");
    version = one("PRAGMA user_version");
    if (version == 1) database.run(store::kFromKind1);
    database.run(fmt::format("PRAGMA user_version={}; COMMIT", store::kVersion).c_str());
  }
}

// The number of a text in a table of such, made where it is new. Within a transaction.
std::int64_t RecordStore::Impl::number_of(std::map<std::string, std::int64_t>& known, const char* table,
                                          const char* column, const std::string& text) {
  if (const auto found = known.find(text); found != known.end()) return found->second;
  Statement(database, fmt::format("INSERT OR IGNORE INTO {}({}) VALUES(?)", table, column).c_str())
      .bind_text(1, text)
      .step();
  Statement select(database, fmt::format("SELECT number FROM {} WHERE {} = ?", table, column).c_str());
  select.bind_text(1, text).step();
  return known[text] = select.number(0);
}

void RecordStore::Impl::insert_rows(const StoredLayout& layout, const std::vector<StoredRow>& rows, Nanoseconds now) {
  const StoredLayout* written = nullptr;
  std::int64_t layout_number = 0;
  Statement insert(database,
                   "INSERT OR REPLACE INTO rows(asset, time, layout, id, score, threshold, is_anomaly, state, "
                   "episode, reason, vals, expected, place, before) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  for (const StoredRow& row : rows) {
    if (const StoredLayout* own = row.layout ? row.layout.get() : &layout; own != written) {
      layout_number = number_of(layouts, "layouts", "body", layout_text(*own));
      written = own;
    }
    const std::string values = bytes_of<double>(row.values), expected = bytes_of<float>(row.expected);
    insert.bind(1, number_of(assets, "assets", "name", row.asset)).bind(2, row.time).bind(3, layout_number);
    insert.bind_text(4, row.id).bind_real(5, row.score).bind_real(6, row.threshold);
    insert.bind(7, static_cast<std::int64_t>(row.is_anomaly)).bind_text(8, row.state).bind_text(9, row.episode);
    insert.bind_text(10, row.reason).bind(11, std::string_view(values)).bind(12, std::string_view(expected));
    insert.bind(13, row.place).bind(14, std::string_view(row.before));
    insert.finish();
  }
  if (rows.empty() || now - marked < kMinute) return;
  marked = now;
  Statement(database, "INSERT INTO written(time, upto) VALUES(?, (SELECT max(number) FROM rows))").bind(1, now).step();
}

void RecordStore::Impl::insert_episodes(const std::vector<StoredEpisode>& episodes, Nanoseconds now) {
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

}  // namespace anomctl
