#include "anomctl/data/csv.h"

#include <cmath>
#include <random>

#include "support/catch.h"

using namespace anomctl;

namespace {

std::vector<std::vector<std::string>> records(const std::string& text, const CsvSettings& settings = {}) {
  CsvReader reader(bytes_of(text), "f.csv", settings);
  std::vector<std::string_view> cells;
  std::vector<std::vector<std::string>> out;
  while (reader.next(cells)) out.emplace_back(cells.begin(), cells.end());
  return out;
}

std::string failure(const std::string& text, const CsvSettings& settings = {}) {
  try {
    records(text, settings);
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::bad_input);
    return e.what();
  }
  return "no error";
}

using Records = std::vector<std::vector<std::string>>;

// Gives one byte a call: every border between two reads is tried.
class DripBytes : public ByteSource {
 public:
  explicit DripBytes(std::string text) : text_(std::move(text)) {}
  std::size_t read(char* out, std::size_t) override {
    if (at_ == text_.size()) return 0;
    *out = text_[at_++];
    return 1;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

}  // namespace

TEST_CASE("csv: quotes, line ends, byte order mark and delimiters", "[csv]") {
  CHECK(records("a,b\n1,2\n") == Records{{"a", "b"}, {"1", "2"}});
  CHECK(records("a,b\r\n1,2\r\n") == Records{{"a", "b"}, {"1", "2"}});
  CHECK(records("a,b\n1,2") == Records{{"a", "b"}, {"1", "2"}});
  CHECK(records("\xEF\xBB\xBF"
                "a,b\n") == Records{{"a", "b"}});
  CHECK(records("\"a,\"\"b\"\"\",\"x\r\ny\"\r\n,\n") == Records{{"a,\"b\"", "x\r\ny"}, {"", ""}});
  CHECK(records("\"\",\"\"") == Records{{"", ""}});
  CHECK(records("a;b;\"c;d\"\n", {.delimiter = ';'}) == Records{{"a", "b", "c;d"}});
  CHECK(records("5\" pipe,2\r\n") == Records{{"5\" pipe", "2"}});
  CHECK(records("a,\n,b\n") == Records{{"a", ""}, {"", "b"}});
  CHECK(records("a\n\n\r\nb\n") == Records{{"a"}, {}, {}, {"b"}});
  CHECK(records("").empty());
}

TEST_CASE("csv: the line of every record is known, also after quoted line breaks", "[csv]") {
  CsvReader reader(bytes_of("h\n\"x\ny\nz\"\nlast\n"), "f.csv");
  std::vector<std::string_view> cells;
  std::vector<std::int64_t> lines;
  while (reader.next(cells)) lines.push_back(reader.line());
  CHECK(lines == std::vector<std::int64_t>{1, 2, 5});
  CHECK(std::string(reader.error("bad").what()) == "f.csv:5: bad");
}

TEST_CASE("csv: what cannot be read is an error with file and line", "[csv]") {
  CHECK(failure("a\n\"open\nb\n") == "f.csv:2: the quote that opens in this record is never closed");
  CHECK(failure("a\n\"x\"y,1\n") == "f.csv:2: text after the closing quote of cell 1");
  CHECK_THAT(failure(std::string("a\nb\0c\n", 6)), Contains("f.csv:1: there are NUL bytes"));
  CHECK_THAT(failure("\xFF\xFE"
                     "a"),
             Contains("UTF-16"));
  CHECK_THAT(failure("PAR1\x15"), Contains("Parquet"));
  CHECK_THAT(failure(std::string(100, 'x'), {.max_record_bytes = 10}), Contains("f.csv:1: the line is longer than 10"));
  CHECK_THAT(failure("a\n\"" + std::string(100, 'x'), {.max_record_bytes = 10}), Contains("f.csv:2: "));
  CHECK_THAT(failure("1,2,3,4\n", {.max_cells = 3}), Contains("more than 3 cells"));
  CHECK_THROWS_WITH(CsvReader("/no/such/file.csv"), Contains("cannot open /no/such/file.csv"));
}

TEST_CASE("csv: borders between reads do not show, written cells are read back", "[csv]") {
  std::mt19937 random(5);
  const std::string letters = "ab,\"\n\r;1";
  for (int round = 0; round < 200; ++round) {
    Records wanted;
    std::string text;
    for (int r = 0; r < 3; ++r) {
      std::vector<std::string> row;
      for (int c = 0; c < 3; ++c) {
        std::string cell, quoted;
        for (auto n = random() % 5; n > 0; --n) cell += letters[random() % letters.size()];
        for (const char ch : cell) quoted += ch == '"' ? std::string("\"\"") : std::string(1, ch);
        text += (c > 0 ? ",\"" : "\"") + quoted + "\"";
        row.push_back(cell);
      }
      text += r % 2 == 0 ? "\r\n" : "\n";
      wanted.push_back(row);
    }
    CHECK(records(text) == wanted);
    CsvReader reader(std::make_unique<DripBytes>(text), "drip");
    std::vector<std::string_view> cells;
    Records dripped;
    while (reader.next(cells)) dripped.emplace_back(cells.begin(), cells.end());
    CHECK(dripped == wanted);
  }
}

TEST_CASE("csv: memory stays within the buffer for many rows", "[csv]") {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i) + "," + std::to_string(2 * i) + "\n";
  CsvReader reader(bytes_of(text), "big");
  std::vector<std::string_view> cells;
  std::int64_t rows = 0, wrong = 0;
  while (reader.next(cells)) {
    wrong += cells.size() != 2 || parse_number(cells[1]) != 2.0 * static_cast<double>(rows);
    ++rows;
  }
  CHECK(rows == 100'000);
  CHECK(wrong == 0);
  CHECK(reader.bytes_read() == text.size());
}

TEST_CASE("csv: numbers and missing values", "[csv]") {
  CHECK(parse_number(" 1.5 ") == 1.5);
  CHECK(parse_number("+2e3") == 2000);
  CHECK(parse_number("-0.25") == -0.25);
  CHECK_FALSE(parse_number("1.5x"));
  CHECK_FALSE(parse_number(""));
  CHECK_FALSE(parse_number("+-1"));
  CHECK_FALSE(parse_number("1,5"));
  CHECK(std::isnan(parse_number("NaN").value_or(0)));
  CHECK(is_missing_cell(" "));
  CHECK(is_missing_cell("N/A"));
  CHECK_FALSE(is_missing_cell("off"));
}

TEST_CASE("csv: the delimiter is guessed from the first lines", "[csv]") {
  const TemporaryFolder folder;
  const auto guess = [&](const std::string& text) {
    write_file_atomic(folder.path() / "f.csv", text);
    return guess_delimiter(folder.path() / "f.csv");
  };
  CHECK(guess("time;a;b\n2020-01-01 00:00:00;1,5;2\n") == ';');
  CHECK(guess("time,a\n1,2\n") == ',');
  CHECK(guess("time\ta b\n1\t2\n") == '\t');
  CHECK(guess("a\n1\n") == ',');
}
