#include <algorithm>
#include <cstring>

#include "io/store/record_store_impl.h"

namespace anomctl {
namespace {

using sqlite::Statement;

constexpr Nanoseconds kLongest = std::numeric_limits<Nanoseconds>::max();

template <class T>
std::vector<double> values_of(std::string_view bytes) {
  std::vector<T> narrow(bytes.size() / sizeof(T));
  if (!narrow.empty()) std::memcpy(narrow.data(), bytes.data(), narrow.size() * sizeof(T));
  return {narrow.begin(), narrow.end()};
}

}  // namespace

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

std::vector<StoredRow> RecordStore::judged(const std::string& asset, Nanoseconds from, Nanoseconds to,
                                           std::size_t limit) const {
  return impl_->reading([&] {
    Statement select(impl_->database,
                     "SELECT r.time, r.id, r.score, r.threshold, r.is_anomaly, r.state, r.episode, r.reason, r.vals, "
                     "r.expected, r.place, r.before, l.body FROM rows r JOIN layouts l ON l.number = r.layout WHERE "
                     "r.asset = (SELECT number FROM assets WHERE name = ?) AND r.time BETWEEN ? AND ? ORDER BY r.time "
                     "LIMIT ?");
    select.bind_text(1, asset).bind(2, from).bind(3, to).bind(4, static_cast<std::int64_t>(limit));
    std::map<std::string, std::shared_ptr<const StoredLayout>> layouts;
    std::vector<StoredRow> rows;
    while (select.step()) {
      std::shared_ptr<const StoredLayout>& layout = layouts[select.text(12)];
      if (!layout) layout = std::make_shared<const StoredLayout>(layout_of(select.text(12)));
      rows.push_back({asset, select.number(0), select.text(1), select.real(2), select.real(3), select.number(4) != 0,
                      select.text(5), select.text(6), select.text(7), values_of<double>(select.blob(8)),
                      values_of<float>(select.blob(9)), select.number(10), std::string(select.blob(11)), layout});
    }
    return rows;
  });
}

std::optional<Nanoseconds> RecordStore::last_before(const std::string& asset, Nanoseconds time) const {
  return impl_->reading([&]() -> std::optional<Nanoseconds> {
    Statement select(impl_->database,
                     "SELECT time FROM rows WHERE asset = (SELECT number FROM assets WHERE name = ?) AND time <= ? AND "
                     "length(before) > 0 ORDER BY time DESC LIMIT 1");
    if (!select.bind_text(1, asset).bind(2, time).step()) return std::nullopt;
    return select.number(0);
  });
}

std::vector<StoredRow> RecordStore::with_id(const std::string& id) const {
  return impl_->reading([&] {
    Statement select(impl_->database,
                     "SELECT a.name, r.time FROM rows r JOIN assets a ON a.number = r.asset WHERE r.id = ?");
    select.bind_text(1, id);
    std::vector<StoredRow> rows;
    while (select.step()) rows.push_back({select.text(0), select.number(1), id});
    return rows;
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

}  // namespace anomctl
