// Delimited text: any bytes are records or an Error; a table of them is read to its end or refused; lists of anomalies
// and conditions likewise. The first byte chooses the delimiter.
#include <cstdio>
#include <string>

#include "anomctl/core/files.h"
#include "anomctl/data/anomalies.h"
#include "anomctl/data/condition.h"
#include "anomctl/data/csv.h"
#include "anomctl/data/faults.h"
#include "anomctl/data/regular.h"
#include "anomctl/data/table.h"

using namespace anomctl;

namespace {

void read_records(const std::string& text, char delimiter) {
  CsvReader reader(bytes_of(text), "fuzz", {.delimiter = delimiter, .max_record_bytes = 4096, .max_cells = 64});
  std::vector<std::string_view> cells;
  std::int64_t line = 0;
  while (reader.next(cells)) {
    if (reader.line() <= line || cells.size() > 64) __builtin_trap();
    line = reader.line();
    for (const std::string_view cell : cells) {
      parse_number(cell);
      parse_name_list(cell);
    }
  }
}

void read_table(const fs::path& file, Fill fill, Nanoseconds period) {
  ReadReport report;
  TableSettings settings;
  settings.files = {file};
  settings.bad_cells = BadCells::missing;
  const TableLayout layout = guess_layout(settings, report);
  const auto rows = make_regular(open_table(settings, layout, report), {.period = period, .fill = fill}, report);
  Row row;
  Nanoseconds last = 0;
  bool any = false;
  // A grid over a long stretch of held values has many rows: enough of them are looked at.
  for (int n = 0; n < 10'000 && rows->next(row); ++n) {
    if (row.values.size() != layout.names.size()) __builtin_trap();
    for (const double value : row.values) {
      if (!(value == value)) __builtin_trap();
    }
    if (any && !rows->starts_run() && row.time <= last) __builtin_trap();
    last = row.time;
    any = true;
  }
}

// Without the sync of an atomic write, which would take most of the time.
void write_plainly(const fs::path& file, const std::string& text) {
  std::FILE* out = std::fopen(file.c_str(), "wb");
  if (out == nullptr || std::fwrite(text.data(), 1, text.size(), out) != text.size()) __builtin_trap();
  std::fclose(out);
}

template <class F>
void refuse_or(F&& f) {
  try {
    f();
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0 || size > 1 << 16) return 0;
  static const TemporaryFolder folder;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  refuse_or([&] { read_records(text, ",;\t|"[data[0] % 4]); });
  const fs::path file = folder.path() / "fuzz.csv";
  write_plainly(file, text);
  refuse_or([&] { read_table(file, static_cast<Fill>(data[0] / 4 % 3), data[0] & 128 ? kSecond : 0); });
  refuse_or([&] {
    ReadReport report;
    for (const Anomaly& a : read_anomalies(file, {}, report)) {
      if (a.end < a.start) __builtin_trap();
    }
  });
  refuse_or([&] { Condition::parse(text, {"a", "b"}).holds(std::vector<double>{1, 2}); });
  refuse_or([&] {
    const std::string shown_as = format_fault(parse_fault(text));
    if (format_fault(parse_fault(shown_as)) != shown_as) __builtin_trap();
  });
  return 0;
}
