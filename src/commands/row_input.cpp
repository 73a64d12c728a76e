#include "commands/row_input.h"

#include <fmt/format.h>

#include <algorithm>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/data/csv.h"
#include "commands/sensor_table.h"

namespace anomctl {
namespace {

constexpr std::int64_t kBorderRows = 60;

struct Run {
  std::int64_t first = 0;
  std::optional<Nanoseconds> time;
};

// The rows of a data set's file with the instants that its runs give them.
class DataSetRows : public RowSource {
 public:
  DataSetRows(const fs::path& file, const std::vector<std::string>& columns, double period_s, std::vector<Run> runs)
      : table_(file, columns, period_s, {}),
        period_(static_cast<Nanoseconds>(period_s * static_cast<double>(kSecond))),
        runs_(std::move(runs)) {}
  const std::vector<std::string>& columns() const override { return table_.columns(); }
  bool next(Row& row) override {
    if (!table_.next(row)) return false;
    time_ += period_;
    if (run_ < runs_.size() && runs_[run_].first == number_) {
      if (runs_[run_].time)
        time_ = *runs_[run_].time;
      else if (number_ > 0)
        time_ += kBorderRows * period_;
      ++run_;
    }
    ++number_;
    row.time = time_;
    return true;
  }

 private:
  SensorTable table_;
  Nanoseconds period_, time_ = 0;
  std::vector<Run> runs_;
  std::size_t run_ = 0;
  std::int64_t number_ = 0;
};

std::size_t first_line_width(const fs::path& file) {
  CsvReader reader(file);
  std::vector<std::string_view> cells;
  if (!reader.next(cells)) throw input_error(fmt::format("{} is empty", file.string()));
  return cells.size();
}

bool is_number(std::string_view text) {
  const std::string copy(text);
  char* end = nullptr;
  std::strtod(copy.c_str(), &end);
  return end != copy.c_str() && *end == '\0';
}

}  // namespace

RowInput rows_of_data_set(const fs::path& folder, const std::string& split) {
  const fs::path file = folder / (split + ".csv");
  if (!fs::is_regular_file(file))
    throw input_error(fmt::format("{} is no data set: it has no {}.csv", folder.string(), split));
  RowInput rows;
  std::vector<Run> runs;
  if (const fs::path meta_path = folder / "meta.json"; fs::exists(meta_path)) {
    const Json meta = Json::parse(read_file(meta_path), meta_path.string());
    rows.period_s = meta.number_or("sampling_period_s", 1);
    if (const Json* columns = meta.find("columns")) {
      for (const Json& column : columns->as_array())
        rows.columns.push_back(column.is_string() ? column.as_string() : column.at("name").as_string());
    }
    if (const Json* items = meta.find(split + "_runs")) {
      for (const Json& item : items->as_array()) {
        Run run{item.at("start").as_int(), std::nullopt};
        if (const auto stamp = parse_stamp(item.string_or("first_time", ""))) {
          run.time = stamp->time;
          rows.has_times = rows.has_times || run.first == 0;
        }
        runs.push_back(run);
      }
    }
  }
  for (std::size_t c = 0, n = rows.columns.empty() ? first_line_width(file) : 0; c < n; ++c)
    rows.columns.push_back(fmt::format("c{}", c));
  if (!(rows.period_s > 0)) rows.period_s = 1;
  rows.open = [file, columns = rows.columns, period = rows.period_s, runs] {
    return std::make_unique<DataSetRows>(file, columns, period, runs);
  };
  return rows;
}

RowInput rows_of_table(const fs::path& path, const std::vector<std::string>& columns, std::stop_token stop) {
  RowInput rows;
  rows.columns = columns;
  if (rows.columns.empty()) {
    if (path == "-") throw UsageError("rows from standard input need --columns");
    CsvReader reader(path);
    std::vector<std::string_view> cells;
    if (!reader.next(cells)) throw input_error(fmt::format("{} is empty", path.string()));
    const bool header = std::none_of(cells.begin(), cells.end(), is_number);
    for (std::size_t c = 0; c < cells.size(); ++c) {
      std::string name = header ? std::string(cells[c]) : fmt::format("c{}", c);
      std::string lower = name;
      std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char ch) { return std::tolower(ch); });
      const bool time = lower == "time" || lower == "timestamp" || lower == "datetime" || lower == "date" ||
                        lower == "_time" || lower == "ts";
      if (!time) rows.columns.push_back(std::move(name));
    }
  }
  const auto make = [path, names = rows.columns, stop] {
    return std::make_unique<SensorTable>(path, names, 1.0, SensorTable::Waiting{{}, stop});
  };
  if (path == "-") {
    rows.open = make;
    return rows;
  }
  const auto probe = make();
  rows.has_times = probe->has_times();
  Row first, second;
  if (rows.has_times && probe->next(first) && probe->next(second) && second.time > first.time)
    rows.period_s = static_cast<double>(second.time - first.time) / static_cast<double>(kSecond);
  rows.open = make;
  return rows;
}

}  // namespace anomctl
