#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>

#include "anomctl/data/csv.h"
#include "anomctl/data/table.h"
#include "data/column_names.h"
#include "data/stamps.h"
#include "data/table/table_bytes.h"

namespace anomctl {
namespace {

constexpr std::size_t kSampleRows = 1000;

// Most telling first. Plain names: lower case, letters and digits only.
constexpr std::array kTimeNames = {"timestamp", "time", "datetime", "date", "ts", "stamp", "t"};
constexpr std::array kLabelNames = {"anomaly", "isanomaly", "label",  "labels",       "anomalous",
                                    "outlier", "isoutlier", "attack", "normalattack", "y"};
constexpr std::array kOtherLabels = {"changepoint", "anomalylabel", "anomalies", "fault", "faulty", "isfault"};

// The first lines of a table, column by column.
struct Sample {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> cells;  // [column][row]
};

bool is_stamp(std::string_view cell) {
  StampReader stamps;
  return !parse_number(cell) && stamps.read(cell, std::nullopt).has_value();
}

bool is_bool(std::string_view cell) {
  const std::string word = plain_name(cell);
  return word == "true" || word == "false";
}

bool is_decimal_comma(std::string_view cell) {
  std::string dotted(trim(cell));
  const std::size_t comma = dotted.find(',');
  if (comma == std::string::npos || dotted.find(',', comma + 1) != std::string::npos) return false;
  dotted[comma] = '.';
  return parse_number(dotted).has_value();
}

Sample read_sample(const fs::path& file, char delimiter, bool& has_header) {
  CsvReader reader(open_table_bytes(file), file.string(), {.delimiter = delimiter});
  std::vector<std::string_view> cells;
  Sample sample;
  std::size_t rows = 0;
  while (rows < kSampleRows && reader.next(cells)) {
    if (cells.empty()) continue;
    if (sample.header.empty()) {
      has_header = !std::all_of(cells.begin(), cells.end(), [](std::string_view c) {
        return parse_number(c) || is_stamp(c) || is_missing_cell(c) || is_decimal_comma(c);
      });
      for (std::size_t c = 0; c < cells.size(); ++c) {
        const std::string_view name = trim(cells[c]);
        sample.header.push_back(has_header && !name.empty() ? std::string(name) : fmt::format("c{}", c));
      }
      sample.cells.resize(cells.size());
      if (has_header) continue;
    }
    if (cells.size() != sample.header.size()) {
      throw reader.error(fmt::format("{} values where {} are expected", cells.size(), sample.header.size()));
    }
    for (std::size_t c = 0; c < cells.size(); ++c) sample.cells[c].emplace_back(cells[c]);
    ++rows;
  }
  if (sample.header.empty()) throw input_error(fmt::format("{} is empty", file.string()));
  if (rows == 0) throw input_error(fmt::format("{} has a header line but no rows", file.string()));
  std::vector<std::string> names = sample.header;
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) throw reader.error_at(1, fmt::format("column '{}' is there twice", *twice));
  return sample;
}

template <class Names>
std::optional<std::size_t> find_named(const Sample& sample, const Names& names) {
  for (const char* name : names) {
    for (std::size_t c = 0; c < sample.header.size(); ++c) {
      if (plain_name(sample.header[c]) == name) return c;
    }
  }
  return std::nullopt;
}

bool holds_stamps(const std::vector<std::string>& column) {
  StampReader stamps;
  return stamps.read(column.front(), std::nullopt).has_value();
}

std::optional<std::size_t> guess_time(const Sample& sample) {
  if (const auto named = find_named(sample, kTimeNames); named && holds_stamps(sample.cells[*named])) return named;
  for (std::size_t c = 0; c < sample.cells.size(); ++c) {
    if (is_stamp(sample.cells[c].front())) return c;
  }
  return std::nullopt;
}

// A column of words: no number in the sample and at least one text.
bool is_text(const std::vector<std::string>& column) {
  bool text = false;
  for (const std::string& cell : column) {
    if (parse_number(cell) || is_bool(cell) || is_decimal_comma(cell)) return false;
    text = text || !is_missing_cell(cell);
  }
  return text;
}

void choose_data(const TableSettings& settings, const Sample& sample, TableLayout& layout, ReadReport& report) {
  const auto& header = sample.header;
  std::vector<bool> out(header.size(), false);
  for (const std::string& name : settings.exclude) out[column_index(header, name, "--exclude")] = true;
  if (!settings.columns.empty()) {
    for (const std::string& name : settings.columns) {
      const std::size_t c = column_index(header, name, "--columns");
      if (!out[c]) layout.data.push_back(c);
    }
    return;
  }
  std::vector<std::string> texts, labels, stamps;
  for (std::size_t c = 0; c < header.size(); ++c) {
    if (out[c] || c == layout.time || c == layout.label) continue;
    if (std::find(settings.never.begin(), settings.never.end(), header[c]) != settings.never.end()) continue;
    if (is_stamp(sample.cells[c].front()))
      stamps.push_back(header[c]);
    else if (is_text(sample.cells[c]))
      texts.push_back(fmt::format("{} ({})", header[c], shown(sample.cells[c].front())));
    else if (looks_like_label(header[c]))
      labels.push_back(header[c]);
    else
      layout.data.push_back(c);
  }
  if (!texts.empty()) report.notes.push_back(fmt::format("left out, for they hold text: {}", list_names(texts)));
  if (!stamps.empty()) report.notes.push_back(fmt::format("left out, for they hold stamps: {}", list_names(stamps)));
  if (!labels.empty()) {
    report.notes.push_back(
        fmt::format("left out, for they look like labels: {} (--columns takes them in)", list_names(labels)));
  }
}

SourceShape measure(const TableSettings& settings, const TableLayout& layout, const Sample& sample) {
  SourceShape shape;
  shape.column_period.assign(layout.data.size(), 0);
  if (!layout.time) {
    shape.period = settings.period;
    return shape;
  }
  StampReader reader(settings.zone);
  std::vector<Nanoseconds> times, steps;
  for (const std::string& cell : sample.cells[*layout.time]) {
    const auto stamp = reader.read(cell, times.empty() ? std::nullopt : std::optional(times.back()));
    times.push_back(stamp ? stamp->time : times.empty() ? 0 : times.back());
    if (times.size() > 1) steps.push_back(times.back() - times[times.size() - 2]);
  }
  shape.period = median_step(steps);
  for (std::size_t i = 0; i < layout.data.size(); ++i) {
    std::optional<Nanoseconds> last;
    steps.clear();
    for (std::size_t r = 0; r < times.size(); ++r) {
      if (is_missing_cell(sample.cells[layout.data[i]][r])) continue;
      if (last) steps.push_back(times[r] - *last);
      last = times[r];
    }
    shape.column_period[i] = median_step(steps);
  }
  return shape;
}

}  // namespace

bool looks_like_label(std::string_view name) {
  const std::string plain = plain_name(name);
  const auto is_plain = [&](const char* n) { return plain == n; };
  return std::any_of(kLabelNames.begin(), kLabelNames.end(), is_plain) ||
         std::any_of(kOtherLabels.begin(), kOtherLabels.end(), is_plain);
}

namespace {

bool has_label(const TableSettings& settings, const Sample& sample) {
  if (settings.label_column.empty()) return find_named(sample, kLabelNames).has_value();
  return settings.label_column == "none" ||
         std::find(sample.header.begin(), sample.header.end(), settings.label_column) != sample.header.end();
}

// The first file says what the columns are; where it has no labels and another one has, that one does.
Sample choose_sample(const TableSettings& settings, TableLayout& layout, fs::path& file) {
  std::optional<Sample> first;
  for (const fs::path& one : settings.files) {
    TableLayout tried;
    if (!is_parquet(one)) tried.delimiter = settings.delimiter ? *settings.delimiter : guess_delimiter(one);
    Sample sample = read_sample(one, tried.delimiter, tried.has_header);
    const bool labelled = tried.has_header && has_label(settings, sample);
    if (!first || labelled) {
      file = one;
      layout.delimiter = tried.delimiter;
      layout.has_header = tried.has_header;
    }
    if (labelled || !tried.has_header) return sample;
    if (!first) first = std::move(sample);
  }
  return std::move(*first);
}

}  // namespace

TableLayout guess_layout(const TableSettings& settings, ReadReport& report) {
  TableLayout layout;
  fs::path file;
  const Sample sample = choose_sample(settings, layout, file);
  layout.header = sample.header;
  if (!layout.has_header) report.notes.push_back("there is no header line: columns are named c0, c1, ...");

  if (!settings.time_column.empty()) {
    layout.time = column_index(sample.header, settings.time_column, "--time-column");
  } else {
    layout.time = guess_time(sample);
    report.notes.push_back(layout.time ? fmt::format("time column: '{}'", sample.header[*layout.time])
                                       : fmt::format("no column holds stamps: rows follow one another every {}",
                                                     format_duration({settings.period})));
  }
  if (!settings.label_column.empty() && settings.label_column != "none") {
    layout.label = column_index(sample.header, settings.label_column, "--label-column");
  } else if (settings.label_column.empty()) {
    layout.label = find_named(sample, kLabelNames);
    if (layout.label == layout.time) layout.label.reset();
    if (layout.label) report.notes.push_back(fmt::format("label column: '{}'", sample.header[*layout.label]));
  }
  choose_data(settings, sample, layout, report);
  if (layout.data.empty()) throw input_error(fmt::format("{}: no column with numbers is left", file.string()));
  for (const std::size_t c : layout.data) {
    layout.names.push_back(sample.header[c]);
    if (layout.delimiter == ',') continue;
    const auto& cells = sample.cells[c];
    layout.decimal_comma = layout.decimal_comma || std::any_of(cells.begin(), cells.end(), is_decimal_comma);
  }
  if (layout.decimal_comma) report.notes.push_back("numbers are written with a decimal comma");
  layout.shape = measure(settings, layout, sample);
  return layout;
}

}  // namespace anomctl
