#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "anomctl/data/csv.h"
#include "anomctl/data/table.h"
#include "data/cell_values.h"
#include "data/column_names.h"
#include "data/stamps.h"
#include "data/table/table_bytes.h"

namespace anomctl {
namespace {

class TableReader : public LabelledSource {
 public:
  TableReader(const TableSettings& settings, const TableLayout& layout, ReadReport& report)
      : settings_(settings), layout_(layout), report_(report), stamps_(settings.zone) {}

  const std::vector<std::string>& columns() const override { return layout_.names; }
  bool label() const override { return label_; }
  bool starts_run() const override { return starts_run_; }
  std::int64_t file_number() const override { return static_cast<std::int64_t>(file_) - 1; }
  std::string where() const override { return fmt::format("{}:{}", reader_->name(), reader_->line()); }

  bool next(Row& row) override {
    starts_run_ = false;
    while (true) {
      if (!reader_ || !reader_->next(cells_)) {
        if (file_ == settings_.files.size()) return false;
        open_next();
        continue;
      }
      if (cells_.empty()) continue;  // at the end, or between blocks
      break;
    }
    if (cells_.size() != width_) {
      throw reader_->error(fmt::format("{} values where {} are expected", cells_.size(), width_));
    }
    ++report_.rows_read;
    read_time(row);
    label_ = label_at_ && read_label();
    const std::size_t k = data_at_.size();
    row.values.resize(k);
    for (std::size_t i = 0; i < k; ++i) row.values[i] = read_value(cells_[data_at_[i]], i);
    return true;
  }

 private:
  void open_next() {
    const fs::path& file = settings_.files[file_++];
    reader_ =
        std::make_unique<CsvReader>(open_table_bytes(file), file.string(), CsvSettings{.delimiter = layout_.delimiter});
    starts_run_ = true;
    last_time_.reset();
    time_at_ = layout_.time;
    label_at_ = layout_.label;
    data_at_ = layout_.data;
    width_ = layout_.header.size();
    if (!layout_.has_header) return;
    while (reader_->next(cells_) && cells_.empty()) {
    }
    std::vector<std::string> header;
    for (std::size_t c = 0; c < cells_.size(); ++c) {
      const std::string_view name = trim(cells_[c]);
      header.push_back(name.empty() ? fmt::format("c{}", c) : std::string(name));
    }
    if (header != layout_.header) find_columns(header);
  }

  // Files may order their columns differently, and lack labels: rows of one without them are normal.
  void find_columns(const std::vector<std::string>& header) {
    const auto place = [&](std::size_t column) -> std::optional<std::size_t> {
      const auto found = std::find(header.begin(), header.end(), layout_.header[column]);
      if (found == header.end()) return std::nullopt;
      return static_cast<std::size_t>(found - header.begin());
    };
    const auto known = [&](const std::string& name) {
      return std::find(layout_.header.begin(), layout_.header.end(), name) != layout_.header.end();
    };
    bool fits = std::all_of(header.begin(), header.end(), known);
    if (layout_.time) fits = (time_at_ = place(*layout_.time)).has_value() && fits;
    for (std::size_t i = 0; i < layout_.data.size(); ++i) {
      const auto at = place(layout_.data[i]);
      fits = fits && at;
      data_at_[i] = at.value_or(0);
    }
    if (!fits) {
      throw reader_->error(
          fmt::format("the columns differ from those of {}: {}", settings_.files.front().string(), list_names(header)));
    }
    width_ = header.size();
    if (!layout_.label) return;
    label_at_ = place(*layout_.label);
    if (!label_at_)
      report_.notes.push_back(fmt::format("{} has no '{}': its rows are normal", settings_.files[file_ - 1].string(),
                                          layout_.header[*layout_.label]));
  }

  void read_time(Row& row) {
    if (!time_at_) {
      row.time = row_number_++ * settings_.period;
      return;
    }
    const std::string_view cell = cells_[*time_at_];
    const auto stamp = stamps_.read(cell, last_time_);
    if (!stamp)
      throw reader_->error(fmt::format("{} in '{}' is no time stamp", shown(cell), layout_.header[*layout_.time]));
    if (stamp->kind == TimeZone::Instants::Kind::repeated) report_.repeated_hour.add(where());
    if (stamp->kind == TimeZone::Instants::Kind::skipped) report_.skipped_hour.add(where());
    row.time = stamp->time;
    last_time_ = stamp->time;
  }

  bool read_label() const {
    const std::string_view cell = cells_[*label_at_];
    const auto label = label_value(cell);
    if (!label) {
      throw reader_->error(
          fmt::format("a label is 0 or 1, found {} in '{}'", shown(cell), layout_.header[*layout_.label]));
    }
    return *label;
  }

  double read_value(std::string_view cell, std::size_t i) {
    double value = 0;
    const auto [end, status] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (status == std::errc() && end == cell.data() + cell.size() && std::isfinite(value)) return value;
    const CellValue slow = cell_value(cell, layout_.decimal_comma);
    if (slow.kind == CellValue::Kind::number) return slow.number;
    if (slow.kind == CellValue::Kind::text) {
      if (settings_.bad_cells == BadCells::error) {
        throw reader_->error(
            fmt::format("column '{}' holds {}: expected a number (--bad-cells missing counts such cells as missing)",
                        layout_.names[i], shown(cell)));
      }
      report_.text_cells.add(where());
    } else {
      report_.missing_cells.add(where());
    }
    return std::numeric_limits<double>::quiet_NaN();
  }

  const TableSettings settings_;
  const TableLayout layout_;
  ReadReport& report_;
  StampReader stamps_;
  std::unique_ptr<CsvReader> reader_;
  std::size_t file_ = 0;                           // files opened so far
  std::optional<std::size_t> time_at_, label_at_;  // in the open file, as data_at_
  std::vector<std::size_t> data_at_;
  std::size_t width_ = 0;
  std::vector<std::string_view> cells_;
  std::int64_t row_number_ = 0;
  std::optional<Nanoseconds> last_time_;
  bool label_ = false, starts_run_ = false;
};

}  // namespace

std::unique_ptr<LabelledSource> open_table(const TableSettings& settings, const TableLayout& layout,
                                           ReadReport& report) {
  return std::make_unique<TableReader>(settings, layout, report);
}

}  // namespace anomctl
