// Blocks of annotated CSV -> series. A block is up to three annotation lines, a header line and rows; an empty line or
// the next annotation ends it. Without annotations (answers to plain Flux) types are told from the cells.
#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "anomctl/core/error.h"
#include "data/cell_values.h"
#include "data/influx/series.h"
#include "data/stamps.h"

namespace anomctl {
namespace {

// Columns that are about the answer, not about the series.
bool is_about(std::string_view name) {
  return name.empty() || name == "result" || name == "table" || name == "_start" || name == "_stop" || name == "_time";
}

bool is_number_type(std::string_view type) {
  return type == "double" || type == "long" || type == "unsignedLong" || type == "boolean";
}

struct Block {
  std::vector<std::string> group, datatype, defaults, header;
  bool ready = false;  // the header has been read
  std::size_t time = 0;
  std::optional<std::size_t> result, table, value, field;
  std::vector<std::size_t> tags;
  std::vector<std::size_t> fields;  // of a pivoted table: one column a field
};

class SeriesReader {
 public:
  SeriesReader(CsvReader& reader, const InfluxSettings& settings, ReadReport& report)
      : reader_(reader), settings_(settings), report_(report), stamps_(settings.zone) {}

  std::vector<InfluxSeries> read() {
    std::vector<std::string_view> cells;
    while (reader_.next(cells)) {
      const bool empty = std::all_of(cells.begin(), cells.end(), [](std::string_view c) { return c.empty(); });
      if (empty && (cells.size() <= 1 || !block_.ready)) {
        block_ = {};
      } else if (!cells[0].empty() && cells[0].front() == '#') {
        annotation(cells);
      } else if (!block_.ready) {
        header(cells);
      } else {
        row(cells);
      }
    }
    if (series_.empty()) throw input_error(fmt::format("{} holds no table with rows", reader_.name()));
    for (InfluxSeries& s : series_) tidy(s);
    return std::move(series_);
  }

 private:
  void annotation(const std::vector<std::string_view>& cells) {
    if (block_.ready) block_ = {};
    std::vector<std::string> texts(cells.begin(), cells.end());
    if (cells[0] == "#group")
      block_.group = std::move(texts);
    else if (cells[0] == "#datatype")
      block_.datatype = std::move(texts);
    else if (cells[0] == "#default")
      block_.defaults = std::move(texts);
  }

  // Flux tells an error as a table of its own, also behind a status that says all is well.
  [[noreturn]] void refuse_error(std::size_t column) {
    std::vector<std::string_view> cells;
    std::string words;
    if (reader_.next(cells) && column < cells.size()) words = fmt::format(": {}", shown(cells[column]));
    throw reader_.error("the export holds an error of the database instead of a table" + words);
  }

  void header(const std::vector<std::string_view>& cells) {
    Block& b = block_;
    for (const std::string_view cell : cells) b.header.emplace_back(trim(cell));
    if (const auto error = std::find(b.header.begin(), b.header.end(), "error");
        error != b.header.end() && b.header.size() <= 3)
      refuse_error(static_cast<std::size_t>(error - b.header.begin()));
    for (const auto* annotated : {&b.group, &b.datatype, &b.defaults}) {
      if (!annotated->empty() && annotated->size() != b.header.size()) {
        throw reader_.error(
            fmt::format("{} columns, but {} in the annotation before", b.header.size(), annotated->size()));
      }
    }
    const auto place = [&](std::string_view name) -> std::optional<std::size_t> {
      const auto found = std::find(b.header.begin(), b.header.end(), name);
      if (found == b.header.end()) return std::nullopt;
      return static_cast<std::size_t>(found - b.header.begin());
    };
    const auto time = place("_time");
    if (!time)
      throw reader_.error(
          "no column _time: this is no annotated CSV with rows of series (is the aggregate without a time?)");
    b.time = *time;
    b.result = place("result");
    b.table = place("table");
    b.value = place("_value");
    b.field = place("_field");
    if (b.value && !b.field) throw reader_.error("there is _value, but no _field");
    for (std::size_t c = 0; c < b.header.size(); ++c) {
      if (is_about(b.header[c]) || c == b.value || c == b.field) continue;
      const bool tag = b.value || b.header[c] == "_measurement" || (!b.group.empty() && b.group[c] == "true");
      (tag ? b.tags : b.fields).push_back(c);
    }
    b.ready = true;
    last_key_.clear();
  }

  std::string_view cell_or_default(const std::vector<std::string_view>& cells, std::size_t c) const {
    if (!cells[c].empty() || block_.defaults.empty()) return cells[c];
    return block_.defaults[c];
  }

  void row(const std::vector<std::string_view>& cells) {
    const Block& b = block_;
    if (cells.size() != b.header.size()) {
      throw reader_.error(fmt::format("{} values where {} are expected", cells.size(), b.header.size()));
    }
    ++report_.rows_read;
    const std::string_view stamp = cell_or_default(cells, b.time);
    const auto time = stamps_.read(stamp, std::nullopt);
    if (!time) throw reader_.error(fmt::format("{} in _time is no time stamp", shown(stamp)));
    if (b.value) {
      point(find_series(cells, b.field ? cell_or_default(cells, *b.field) : "_value"), *b.value, cells, time->time);
    } else {
      for (const std::size_t c : b.fields) point(find_series(cells, b.header[c]), c, cells, time->time);
    }
  }

  // The series of a row. Rows of one table follow one another, so that the key of the row before mostly fits.
  InfluxSeries& find_series(const std::vector<std::string_view>& cells, std::string_view field) {
    key_.assign(field);
    for (const auto& c : {block_.result, block_.table}) {
      key_ += '\x1f';
      if (c) key_ += cell_or_default(cells, *c);
    }
    if (!block_.table || !block_.value) {
      for (const std::size_t c : block_.tags) (key_ += '\x1f') += cell_or_default(cells, c);
    }
    if (key_ == last_key_) return series_[last_series_];
    std::map<std::string, std::string> tags;
    for (const std::size_t c : block_.tags) tags[block_.header[c]] = cell_or_default(cells, c);
    if (block_.result) tags["result"] = cell_or_default(cells, *block_.result);
    std::string identity(field);
    for (const auto& [name, value] : tags) identity += '\x1f' + name + '\x1e' + value;
    const auto [found, is_new] = known_.emplace(identity, series_.size());
    if (is_new) series_.push_back({std::string(field), std::move(tags), {}, {}, 0, {}});
    last_key_ = key_;
    last_series_ = found->second;
    return series_[last_series_];
  }

  void point(InfluxSeries& series, std::size_t c, const std::vector<std::string_view>& cells, Nanoseconds time) {
    const std::string_view cell = cell_or_default(cells, c);
    const std::string_view type = block_.datatype.empty() ? std::string_view() : std::string_view(block_.datatype[c]);
    CellValue value = cell_value(cell);
    if (!type.empty() && !is_number_type(type) && value.kind != CellValue::Kind::missing)
      value.kind = CellValue::Kind::text;
    if (value.kind == CellValue::Kind::number) {
      series.times.push_back(time);
      series.values.push_back(value.number);
    } else if (value.kind == CellValue::Kind::missing) {
      report_.missing_cells.add(fmt::format("{}:{}", reader_.name(), reader_.line()));
    } else {
      if (series.texts++ == 0) series.example = shown(cell);
      if (!series.times.empty() || is_number_type(type)) {
        if (settings_.bad_cells == BadCells::error) {
          throw reader_.error(
              fmt::format("field '{}' holds {}: expected a number (--bad-cells missing counts such cells as missing)",
                          series.field, shown(cell)));
        }
        report_.text_cells.add(fmt::format("{}:{}", reader_.name(), reader_.line()));
      }
    }
  }

  void tidy(InfluxSeries& s) {
    if (!std::is_sorted(s.times.begin(), s.times.end())) {
      std::vector<std::size_t> order(s.times.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::stable_sort(order.begin(), order.end(),
                       [&](std::size_t a, std::size_t b) { return s.times[a] < s.times[b]; });
      InfluxSeries sorted = s;
      for (std::size_t i = 0; i < order.size(); ++i) {
        sorted.times[i] = s.times[order[i]];
        sorted.values[i] = s.values[order[i]];
      }
      s = std::move(sorted);
      if (++unsorted_ == 1)
        report_.notes.push_back(fmt::format("points of '{}' were not in order of time and have been sorted", s.field));
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < s.times.size(); ++i) {
      if (kept > 0 && s.times[i] == s.times[kept - 1]) {
        report_.duplicate_stamps.add(fmt::format("{}: '{}' at {}", reader_.name(), s.field, format_stamp(s.times[i])));
        continue;
      }
      s.times[kept] = s.times[i];
      s.values[kept++] = s.values[i];
    }
    s.times.resize(kept);
    s.values.resize(kept);
  }

  CsvReader& reader_;
  const InfluxSettings& settings_;
  ReadReport& report_;
  StampReader stamps_;
  Block block_;
  std::vector<InfluxSeries> series_;
  std::map<std::string, std::size_t> known_;
  std::string key_, last_key_;
  std::size_t last_series_ = 0;
  std::int64_t unsorted_ = 0;
};

}  // namespace

std::vector<InfluxSeries> read_series(CsvReader& reader, const InfluxSettings& settings, ReadReport& report) {
  return SeriesReader(reader, settings, report).read();
}

}  // namespace anomctl
