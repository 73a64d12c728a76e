#include "commands/sensor_table.h"

#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <utility>

#include "anomctl/core/log.h"

namespace anomctl {
namespace {

// Calls `before_wait` when the descriptor has nothing to read at the moment, so that what was read so far is worked on
// first.
class WatchedInput : public ByteSource {
 public:
  explicit WatchedInput(std::function<void()> before_wait)
      : bytes_(open_bytes("-")), before_wait_(std::move(before_wait)) {}
  std::size_t read(char* out, std::size_t size) override {
    pollfd ready{STDIN_FILENO, POLLIN, 0};
    if (before_wait_ && ::poll(&ready, 1, 0) == 0) before_wait_();
    return bytes_->read(out, size);
  }

 private:
  std::unique_ptr<ByteSource> bytes_;
  std::function<void()> before_wait_;
};

std::unique_ptr<ByteSource> open_input(const fs::path& path, std::function<void()> before_wait) {
  if (path == "-") return std::make_unique<WatchedInput>(std::move(before_wait));
  return open_bytes(path);
}

bool is_time_name(std::string_view name) {
  std::string lower;
  for (const char c : trim(name)) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::array<std::string_view, 6> names = {"time", "_time", "timestamp", "datetime", "date", "ts"};
  return std::find(names.begin(), names.end(), lower) != names.end();
}

bool is_value(std::string_view cell) { return parse_number(cell).has_value() || is_missing_cell(cell); }

std::string listed(const std::vector<std::string_view>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 20; ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ", ", trim(names[i]));
  return names.size() > 20 ? text + ", ..." : text;
}

}  // namespace

SensorTable::SensorTable(const fs::path& path, const std::vector<std::string>& columns, double period_s,
                         std::function<void()> before_wait)
    : columns_(columns),
      period_(static_cast<Nanoseconds>(std::llround(period_s * 1e9))),
      reader_(open_input(path, std::move(before_wait)), path == "-" ? "standard input" : path.string()) {
  read_first();
}

void SensorTable::read_first() {
  do {
    if (!reader_.next(cells_)) {
      throw input_error(fmt::format("{} is empty: rows of {} numbers are needed", reader_.name(), columns_.size()));
    }
    empty_ += cells_.empty() ? 1 : 0;
  } while (cells_.empty());
  width_ = cells_.size();
  const bool stamped = parse_stamp(trim(cells_[0])).has_value() && !parse_number(cells_[0]);
  const bool numbers = std::all_of(cells_.begin() + (stamped ? 1 : 0), cells_.end(), is_value);
  if (!numbers) {
    map_header(cells_);
    return;
  }
  first_is_data_ = true;
  if (stamped) time_cell_ = 0;
  const std::size_t offset = stamped ? 1 : 0;
  if (width_ != columns_.size() + offset) {
    throw reader_.error(
        fmt::format("{} numbers in a row, the bundle has {} columns", width_ - offset, columns_.size()));
  }
  for (std::size_t c = 0; c < columns_.size(); ++c) source_.push_back(c + offset);
}

void SensorTable::map_header(const std::vector<std::string_view>& names) {
  std::vector<std::size_t> others;  // cells that are no time
  std::vector<std::string> absent;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool is_column = std::find(columns_.begin(), columns_.end(), trim(names[i])) != columns_.end();
    if (!is_column && time_cell_ == npos && is_time_name(names[i]))
      time_cell_ = i;
    else
      others.push_back(i);
  }
  for (const std::string& column : columns_) {
    const auto found =
        std::find_if(names.begin(), names.end(), [&](std::string_view name) { return trim(name) == column; });
    if (found == names.end())
      absent.push_back(column);
    else
      source_.push_back(static_cast<std::size_t>(found - names.begin()));
  }
  if (absent.empty()) return;
  // Names that have nothing in common with the bundle's (c0, c1, ...): the order decides.
  if (absent.size() != columns_.size() || others.size() != columns_.size()) {
    throw reader_.error(
        fmt::format("column '{}' of the bundle is missing, the header names {}", absent.front(), listed(names)));
  }
  log_info("{}: none of the header's names is the bundle's, its {} columns are taken in order", reader_.name(),
           columns_.size());
  source_ = others;
}

Nanoseconds SensorTable::parse_time(std::string_view cell) const {
  const std::string_view text = trim(cell);
  if (const auto number = parse_number(text); number && std::isfinite(*number)) return epoch_from_number(*number);
  if (const auto stamp = parse_stamp(text)) return stamp->time;
  throw reader_.error(fmt::format("{} is no time stamp", shown(cell)));
}

bool SensorTable::parse(const std::vector<std::string_view>& cells, Row& row) {
  if (cells.size() != width_) throw reader_.error(fmt::format("{} cells, the first row has {}", cells.size(), width_));
  row.values.resize(columns_.size());
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const std::string_view cell = cells[source_[c]];
    if (const auto number = parse_number(cell)) {
      row.values[c] = *number;
    } else if (is_missing_cell(cell)) {
      row.values[c] = std::numeric_limits<double>::quiet_NaN();
    } else {
      throw reader_.error(fmt::format("{} in column '{}' is no number", shown(cell), columns_[c]));
    }
    missing_ += std::isfinite(row.values[c]) ? 0 : 1;
  }
  row.time = time_cell_ == npos ? rows_ * period_ : parse_time(cells[time_cell_]);
  ++rows_;
  return true;
}

bool SensorTable::next(Row& row) {
  if (std::exchange(first_is_data_, false)) return parse(cells_, row);
  while (reader_.next(cells_)) {
    if (!cells_.empty()) return parse(cells_, row);
    ++empty_;
  }
  return false;
}

}  // namespace anomctl
