// Delimited text (RFC 4180), read as a stream: quoted cells, LF or CRLF, a UTF-8 byte order mark, any delimiter. Knows
// the line of every record, and its memory is bounded by the limits. Thread rule: one thread a reader.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "anomctl/core/error.h"
#include "anomctl/core/files.h"
#include "anomctl/core/text.h"

namespace anomctl {

// Bytes one after another.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Up to `size` bytes; 0 at the end. Throws Error when reading fails.
  virtual std::size_t read(char* out, std::size_t size) = 0;
};
// Throws Error(bad_input) when the file cannot be opened; "-" is standard input.
std::unique_ptr<ByteSource> open_bytes(const fs::path& path);
std::unique_ptr<ByteSource> bytes_of(std::string text);

struct CsvSettings {
  char delimiter = ',';
  std::size_t max_record_bytes = 4 * kMiB;  // one record with its quoted line breaks
  std::size_t max_cells = 100'000;          // in one record
};

class CsvReader {
 public:
  explicit CsvReader(const fs::path& path, const CsvSettings& settings = {});
  // `name` stands for the file in messages.
  CsvReader(std::unique_ptr<ByteSource> bytes, std::string name, const CsvSettings& settings = {});

  // The next record; false at the end. A line without any character gives no cells. The cells are valid until the next
  // call. A quote inside a cell that did not begin with one is taken as it stands. Throws Error(bad_input) with file
  // and line for text after a closing quote, an open quote at the end, NUL bytes, and records beyond the limits.
  bool next(std::vector<std::string_view>& cells);
  // The line, from 1 on, where the record given last begins.
  std::int64_t line() const { return line_; }
  const std::string& name() const { return name_; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  // "name:line: message"
  Error error(const std::string& message) const { return error_at(line_, message); }
  Error error_at(std::int64_t line, const std::string& message) const;

 private:
  bool more();  // appends bytes to the buffer; false at the end of the input
  void split_plain(std::string_view record, std::vector<std::string_view>& cells) const;
  void read_quoted(std::vector<std::string_view>& cells);
  void check_cells(std::size_t count) const;

  std::unique_ptr<ByteSource> bytes_;
  std::string name_;
  CsvSettings settings_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // what of the buffer is not yet given out
  bool at_end_ = false;
  std::uint64_t bytes_read_ = 0;
  std::int64_t line_ = 0, next_line_ = 1;
  std::string unquoted_;  // cells of a record with quotes, one after another
};

// The delimiter that splits the first lines of a file into the same number of cells, of , ; tab |. A comma when none
// does.
char guess_delimiter(const fs::path& path);

// A cell as a number: surrounding blanks are ignored; nan and inf in any case are numbers. Nothing for text.
std::optional<double> parse_number(std::string_view cell);
// Empty, or a word that stands for no value: nan, na, n/a, null, none, - (any case).
bool is_missing_cell(std::string_view cell);
// A cell for a message: quoted, shortened, control characters shown as '?'.
std::string shown(std::string_view cell);

}  // namespace anomctl
