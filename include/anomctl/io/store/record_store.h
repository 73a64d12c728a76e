// What was seen and said, kept for people: rows (readings with their verdict), episodes and labels, in one SQLite file
// with its write-ahead log. One process writes rows; others may read and label meanwhile. A history, not a spool: what
// must not be lost is kept there. Thread rule: one thread at a time an object; several objects may be open on one file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anomctl/core/files.h"
#include "anomctl/core/time.h"

namespace anomctl {

struct StoredColumn {
  std::string name, unit;
  bool operator==(const StoredColumn&) const = default;
};

// Which columns the values of a row have, by whom it was judged, and how far its rows are apart.
struct StoredLayout {
  std::vector<StoredColumn> columns;
  std::string model;
  double period_s = 1;
  // What judging a row again needs to know; empty in rows of old, and where a server judged.
  std::string bundle_hash;
  std::string instruction_set;  // of the processor that judged
  std::string options;          // the detector's, JSON
  bool operator==(const StoredLayout&) const = default;
};

struct StoredRow {
  std::string asset;
  Nanoseconds time = 0;
  std::string id;                   // of the verdict
  double score = 0, threshold = 0;  // NaN: none
  bool is_anomaly = false;
  std::string state, episode, reason;
  std::vector<double> values;    // k, NaN: missing; empty: a verdict of silence
  std::vector<double> expected;  // k, NaN: nothing was expected; empty: of none. Kept as float
  std::int64_t place = 0;        // of this asset's rows, one after another as they were judged; 0: not known
  std::string before;            // what the detector remembered before this row; now and then, else empty
  std::shared_ptr<const StoredLayout> layout;  // instead of that of its batch; set by `judged`
};

struct StoredEpisode {
  std::string id, asset, kind;
  Nanoseconds start = 0, end = 0;
  bool closed = false;
  std::string body;  // the alert as it was published, JSON
};

// What a person said. Labels are only added; of one span's `true`, `false` and `none` the last one holds.
struct StoredLabel {
  std::int64_t number = 0;     // given by the store
  Nanoseconds time = 0;        // when it was said, wall
  std::string asset, episode;  // without an episode: of the span alone
  Nanoseconds start = 0, end = 0;
  std::string kind;  // true, false, none (neither any more), acknowledged or comment
  std::string comment, author;
};

bool is_label_kind(const std::string& kind);
// true, false or none: the last of these among labels of one span.
std::string judgement(const std::vector<StoredLabel>& labels);

struct RowQuery {
  std::string asset;                    // empty: all, in the order of their times
  std::optional<Nanoseconds> from, to;  // both in
  std::size_t limit = 1'000'000;        // the newest so many
  bool oldest = false;                  // the oldest so many instead
  std::vector<StoredColumn> columns;    // of the rows; empty: those of the first that is found
};

struct StoredRows {
  StoredLayout layout;          // of the first that was found; rows with other columns are left out
  std::vector<StoredRow> rows;  // by time
  std::int64_t left_out = 0;
  bool more = false;     // `limit` was reached
  Nanoseconds last = 0;  // stamp of the row that was looked at last
};

struct EpisodeQuery {
  std::string asset, id;              // empty: all
  std::optional<Nanoseconds> before;  // starts before
  std::size_t limit = 1000;           // the newest so many, newest first
};

struct StoreBounds {
  std::uint64_t max_bytes = 1000 * 1'000'000ULL;
  Duration keep;  // rows and unlabelled episodes that were written longer ago go; 0: no bound by age
};

class RecordStore {
 public:
  enum class Open { create, existing };
  // Throws Error(failed) when it cannot be opened, Error(bad_input) when it is no store, is damaged, or of a newer kind.
  RecordStore(const fs::path& path, Open how);
  ~RecordStore();
  RecordStore(RecordStore&&) noexcept;

  struct Batch {
    std::vector<StoredRow> rows;
    std::vector<StoredEpisode> episodes;
    bool empty() const { return rows.empty() && episodes.empty(); }
  };
  // All of it or nothing; a row of the same asset and time, an episode of the same id are replaced. Empty: stored;
  // else why not (locked, full). `now`: wall time.
  std::string write(const StoredLayout& layout, const Batch& batch, Nanoseconds now);
  // Lets go of what is beyond the bounds, a part at a time; the number of rows that went.
  std::int64_t prune(const StoreBounds& bounds, Nanoseconds now);
  std::uint64_t bytes() const;  // in use

  // Throw Error(failed) where SQLite refuses.
  std::vector<std::string> assets() const;
  // The last row of each asset, without its values.
  std::vector<StoredRow> last_rows() const;
  StoredRows rows(const RowQuery& query) const;
  // Rows of one asset as they were judged, the oldest so many of [from, to], whatever their columns; all fields.
  std::vector<StoredRow> judged(const std::string& asset, Nanoseconds from, Nanoseconds to, std::size_t limit) const;
  // Stamp of the last row at or before `time` with a `before`.
  std::optional<Nanoseconds> last_before(const std::string& asset, Nanoseconds time) const;
  // The rows (asset and time) whose verdict has this id.
  std::vector<StoredRow> with_id(const std::string& id) const;
  std::vector<StoredEpisode> episodes(const EpisodeQuery& query) const;
  // Its number.
  std::int64_t add_label(const StoredLabel& label);
  // In the order in which they were given; `asset` empty: all.
  std::vector<StoredLabel> labels(const std::string& asset = {}) const;
  std::vector<StoredLabel> labels_of_episode(const std::string& episode) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anomctl
