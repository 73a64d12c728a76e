#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "anomctl/data/csv.h"

namespace anomctl {
namespace {

constexpr std::size_t kFirstRead = 8 * 1024, kReadBytes = 256 * 1024;
constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();

}  // namespace

CsvReader::CsvReader(const fs::path& path, const CsvSettings& settings)
    : CsvReader(open_bytes(path), path == "-" ? "standard input" : path.string(), settings) {}

CsvReader::CsvReader(std::unique_ptr<ByteSource> bytes, std::string name, const CsvSettings& settings)
    : bytes_(std::move(bytes)), name_(std::move(name)), settings_(settings) {
  while (end_ < 4 && more()) {
  }
  const std::string_view head(buffer_.data(), std::min<std::size_t>(end_, 4));
  if (head.starts_with("\xEF\xBB\xBF")) begin_ = 3;
  if (head.starts_with("\xFF\xFE") || head.starts_with("\xFE\xFF")) {
    throw error_at(1, "is UTF-16 text: save it as UTF-8");
  }
  if (head.starts_with("PAR1")) throw error_at(1, "is a Parquet file, not delimited text");
}

Error CsvReader::error_at(std::int64_t line, const std::string& message) const {
  return input_error(fmt::format("{}:{}: {}", name_, line, message));
}

bool CsvReader::more() {
  if (at_end_) return false;
  if (begin_ > 0 && begin_ * 2 >= buffer_.size()) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  const std::size_t want = std::clamp(buffer_.size(), kFirstRead, kReadBytes);  // small files stay cheap
  if (buffer_.size() - end_ < want) buffer_.resize(end_ + want);
  const std::size_t got = bytes_->read(buffer_.data() + end_, want);
  if (std::memchr(buffer_.data() + end_, '\0', got) != nullptr) {
    throw error_at(next_line_, "there are NUL bytes at or after this line: this is no text file");
  }
  end_ += got;
  bytes_read_ += got;
  at_end_ = got == 0;
  return !at_end_;
}

void CsvReader::check_cells(std::size_t count) const {
  if (count > settings_.max_cells) throw error(fmt::format("more than {} cells in a line", settings_.max_cells));
}

bool CsvReader::next(std::vector<std::string_view>& cells) {
  cells.clear();
  const std::int64_t line_before = line_;
  line_ = next_line_;
  std::size_t seen = 0;  // bytes after begin_ that hold no line end
  const char* stop = nullptr;
  while (true) {
    // An empty range is searched with no pointer to nothing.
    stop = end_ > begin_ + seen
               ? static_cast<const char*>(std::memchr(buffer_.data() + begin_ + seen, '\n', end_ - begin_ - seen))
               : nullptr;
    if (stop != nullptr) break;
    seen = end_ - begin_;
    if (seen > settings_.max_record_bytes) {
      throw error(fmt::format("the line is longer than {} bytes", settings_.max_record_bytes));
    }
    if (!more()) break;
  }
  if (stop == nullptr && seen == 0) {
    line_ = line_before;
    return false;
  }
  const char* start = buffer_.data() + begin_;
  std::size_t length = stop == nullptr ? seen : static_cast<std::size_t>(stop - start);
  if (length > settings_.max_record_bytes) {
    throw error(fmt::format("the line is longer than {} bytes", settings_.max_record_bytes));
  }
  if (length > 0 && std::memchr(start, '"', length) != nullptr) {
    read_quoted(cells);
    return true;
  }
  begin_ += length + (stop == nullptr ? 0 : 1);
  ++next_line_;
  if (length > 0 && start[length - 1] == '\r') --length;
  if (length > 0) split_plain({start, length}, cells);
  return true;
}

void CsvReader::split_plain(std::string_view record, std::vector<std::string_view>& cells) const {
  const char* cell = record.data();
  const char* const end = cell + record.size();
  const char delimiter = settings_.delimiter;
  for (const char* at = cell; at != end; ++at) {
    if (*at != delimiter) continue;
    cells.emplace_back(cell, static_cast<std::size_t>(at - cell));
    cell = at + 1;
  }
  cells.emplace_back(cell, static_cast<std::size_t>(end - cell));
  check_cells(cells.size());
}

// A record that holds a quote, and so perhaps line ends inside cells. Cells are collected in `unquoted_` and turned
// into views once it does not grow any more.
void CsvReader::read_quoted(std::vector<std::string_view>& cells) {
  enum class Place { cell_start, plain, quoted, after_quote } place = Place::cell_start;
  std::vector<std::size_t> ends;
  unquoted_.clear();
  std::size_t used = 0;            // bytes after begin_
  std::size_t last_cr = kNowhere;  // where in unquoted_ a CR stands that may belong to the line end
  while (true) {
    if (begin_ + used == end_ && !more()) {
      if (place == Place::quoted) throw error("the quote that opens in this record is never closed");
      break;
    }
    if (used > settings_.max_record_bytes) {
      throw error(fmt::format("a record with quotes is longer than {} bytes: is a quote left open?",
                              settings_.max_record_bytes));
    }
    const char c = buffer_[begin_ + used++];
    if (c == '\n') ++next_line_;
    if (place == Place::quoted) {
      if (c == '"')
        place = Place::after_quote;
      else
        unquoted_.push_back(c);
      continue;
    }
    if (place == Place::after_quote && c == '"') {
      unquoted_.push_back('"');
      place = Place::quoted;
    } else if (c == settings_.delimiter) {
      ends.push_back(unquoted_.size());
      check_cells(ends.size());
      place = Place::cell_start;
    } else if (c == '\n') {
      begin_ += used;
      used = kNowhere;
      break;
    } else if (place == Place::after_quote) {
      if (c != '\r' || last_cr != kNowhere)
        throw error(fmt::format("text after the closing quote of cell {}", ends.size() + 1));
      last_cr = unquoted_.size();
    } else if (place == Place::cell_start && c == '"') {
      place = Place::quoted;
    } else {
      unquoted_.push_back(c);
      place = Place::plain;
    }
  }
  if (used != kNowhere) {  // the input ended without a line end
    begin_ += used;
    ++next_line_;
  }
  if (place == Place::plain && !unquoted_.empty() && unquoted_.back() == '\r') unquoted_.pop_back();
  ends.push_back(unquoted_.size());
  check_cells(ends.size());
  std::size_t from = 0;
  for (const std::size_t to : ends) {
    cells.push_back(std::string_view(unquoted_).substr(from, to - from));
    from = to;
  }
}

}  // namespace anomctl
