#include "anomctl/data/anomalies.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "anomctl/core/error.h"
#include "anomctl/data/csv.h"
#include "data/column_names.h"
#include "data/stamps.h"

namespace anomctl {
namespace {

struct Layout {
  std::size_t start = 0, end = 1, columns = 2;
  std::optional<std::size_t> root_cause, affected, category;
};

std::optional<std::size_t> find_any(const std::map<std::string, std::size_t>& names,
                                    std::initializer_list<const char*> wanted) {
  for (const char* name : wanted) {
    if (const auto found = names.find(name); found != names.end()) return found->second;
  }
  return std::nullopt;
}

Layout read_header(const CsvReader& reader, const std::vector<std::string_view>& cells) {
  std::map<std::string, std::size_t> names;
  for (std::size_t c = 0; c < cells.size(); ++c) names.emplace(plain_name(cells[c]), c);
  const auto start = find_any(names, {"starttime", "start", "begin", "begintime", "from", "starttimestamp"});
  const auto end = find_any(names, {"endtime", "end", "stop", "stoptime", "to", "endtimestamp"});
  if (!start || !end) throw reader.error("expected the columns start_time and end_time");
  Layout layout{*start, *end, cells.size(), {}, {}, {}};
  layout.root_cause = find_any(names, {"rootcause", "cause"});
  layout.affected = find_any(names, {"affected", "affectedcolumns", "sensors"});
  layout.category = find_any(names, {"category", "kind", "type"});
  return layout;
}

// Of an hour that is there twice the interval takes in both: the start is the earlier, the end the later instant.
Nanoseconds read_end(const CsvReader& reader, StampReader& stamps, std::string_view cell, bool is_end,
                     ReadReport& report) {
  const auto first = stamps.read(cell, std::nullopt);
  if (!first) throw reader.error(fmt::format("{} is no time stamp", shown(cell)));
  const std::string where = fmt::format("{}:{}", reader.name(), reader.line());
  if (first->kind == TimeZone::Instants::Kind::skipped) report.skipped_hour.add(where);
  if (first->kind != TimeZone::Instants::Kind::repeated) return first->time;
  report.repeated_hour.add(where);
  return is_end ? stamps.read(cell, first->time)->time : first->time;
}

Json read_category(std::string_view cell) {
  if (is_missing_cell(cell)) return {};
  if (const auto number = parse_number(cell)) {
    if (*number == std::floor(*number) && std::fabs(*number) < 1e15) return static_cast<std::int64_t>(*number);
    return *number;
  }
  return std::string(trim(cell));
}

}  // namespace

std::vector<std::string> parse_name_list(std::string_view text) {
  std::vector<std::string> names;
  std::string name;
  char quote = 0;
  const auto add = [&] {
    const std::string_view bare = trim(name);
    if (!bare.empty()) names.emplace_back(bare);
    name.clear();
  };
  for (const char c : trim(text)) {
    if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        name += c;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == ',' || c == ';' || c == '|') {
      add();
    } else if (c != '[' && c != ']' && c != '(' && c != ')' && c != '{' && c != '}') {
      name += c;
    }
  }
  add();
  return names;
}

std::vector<Anomaly> read_anomalies(const fs::path& file, const TimeZone& zone, ReadReport& report) {
  CsvReader reader(file, {.delimiter = guess_delimiter(file)});
  StampReader stamps(zone);
  std::vector<std::string_view> cells;
  std::vector<Anomaly> out;
  std::optional<Layout> layout;
  while (reader.next(cells)) {
    if (cells.empty() || (cells.size() == 1 && trim(cells[0]).empty())) continue;
    if (!layout) {
      const bool headless =
          cells.size() >= 2 && stamps.read(cells[0], std::nullopt) && stamps.read(cells[1], std::nullopt);
      layout = headless ? Layout{.columns = cells.size()} : read_header(reader, cells);
      if (!headless) continue;
    }
    if (cells.size() != layout->columns) {
      throw reader.error(fmt::format("{} values where {} are expected", cells.size(), layout->columns));
    }
    Anomaly anomaly;
    anomaly.where = fmt::format("{}:{}", reader.name(), reader.line());
    anomaly.start = read_end(reader, stamps, cells[layout->start], false, report);
    anomaly.end = read_end(reader, stamps, cells[layout->end], true, report);
    if (anomaly.end < anomaly.start) {
      throw reader.error(fmt::format("the anomaly ends at {} before it starts at {}", trim(cells[layout->end]),
                                     trim(cells[layout->start])));
    }
    if (layout->root_cause && !is_missing_cell(cells[*layout->root_cause])) {
      const std::string_view cause = trim(cells[*layout->root_cause]);
      const auto names = parse_name_list(cause);
      const bool list = cause.front() == '[' || cause.front() == '\'';
      anomaly.root_cause = list && !names.empty() ? names.front() : std::string(cause);
    }
    if (layout->affected && !is_missing_cell(cells[*layout->affected])) {
      anomaly.affected = parse_name_list(cells[*layout->affected]);
    }
    if (layout->category) anomaly.category = read_category(cells[*layout->category]);
    out.push_back(std::move(anomaly));
  }
  if (!layout)
    throw input_error(fmt::format("{} is empty: expected the columns start_time and end_time", reader.name()));
  std::stable_sort(out.begin(), out.end(), [](const Anomaly& a, const Anomaly& b) { return a.start < b.start; });
  return out;
}

}  // namespace anomctl
