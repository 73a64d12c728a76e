#include "commands/sensor_table.h"

#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "anomctl/core/log.h"

namespace anomctl {
namespace {

constexpr int kLookForStopMs = 100;

// Standard input as it comes: a read gives what is there. Calls `before_wait` when nothing is, so that what was read so
// far is worked on first. The input ends when a stop is requested.
class WatchedInput : public ByteSource {
 public:
  WatchedInput(std::function<void()> before_wait, std::stop_token stop)
      : before_wait_(std::move(before_wait)), stop_(std::move(stop)) {}
  std::size_t read(char* out, std::size_t size) override {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, 0) == 0) {
      if (before_wait_) before_wait_();
      while (::poll(&input, 1, kLookForStopMs) == 0) {
        if (stop_.stop_requested()) return 0;
      }
    }
    ssize_t got = 0;
    do got = ::read(STDIN_FILENO, out, size);
    while (got < 0 && errno == EINTR);
    if (got < 0) throw input_error(fmt::format("cannot read standard input: {}", std::strerror(errno)));
    return static_cast<std::size_t>(got);
  }

 private:
  std::function<void()> before_wait_;
  std::stop_token stop_;
};

std::unique_ptr<ByteSource> open_input(const fs::path& path, SensorTable::Waiting waiting) {
  if (path == "-") return std::make_unique<WatchedInput>(std::move(waiting.before), std::move(waiting.stop));
  return open_bytes(path);
}

bool is_time_name(std::string_view name) {
  std::string lower;
  for (const char c : trim(name)) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::array<std::string_view, 6> names = {"time", "_time", "timestamp", "datetime", "date", "ts"};
  return std::find(names.begin(), names.end(), lower) != names.end();
}

std::string listed(const std::vector<std::string_view>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 20; ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ", ", trim(names[i]));
  return names.size() > 20 ? text + ", ..." : text;
}

}  // namespace

SensorTable::SensorTable(const fs::path& path, const std::vector<std::string>& columns, double period_s,
                         Waiting waiting)
    : columns_(columns),
      period_(static_cast<Nanoseconds>(std::llround(period_s * 1e9))),
      reader_(open_input(path, std::move(waiting)), path == "-" ? "standard input" : path.string()) {
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
  // A header names the columns, or holds no number at all: one bad cell does not turn a row into a header.
  const bool named = std::all_of(columns_.begin(), columns_.end(), [&](const std::string& column) {
    return std::any_of(cells_.begin(), cells_.end(), [&](std::string_view cell) { return trim(cell) == column; });
  });
  const auto is_number = [](std::string_view cell) { return parse_number(cell).has_value(); };
  const bool words = !stamped && std::none_of(cells_.begin(), cells_.end(), is_number);
  if (named || (words && !std::all_of(cells_.begin(), cells_.end(), is_missing_cell))) {
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
