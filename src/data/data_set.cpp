#include "anomctl/data/data_set.h"

#include <fmt/core.h>

#include <algorithm>

#include "anomctl/core/error.h"
#include "data/number_file.h"

namespace anomctl {
namespace {

constexpr const char* kFiles[] = {"train.csv", "train_labels.csv", "eval.csv", "eval_labels.csv"};

// Both ends in, as all ranges of meta.json.
RowRange read_range(const Json& item, std::size_t rows, const std::string& where) {
  const RowRange range{item.at("start").as_int(), item.at("end").as_int()};
  if (range.first < 0 || range.last < range.first || range.last >= static_cast<std::int64_t>(rows)) {
    throw input_error(fmt::format("{}: {}..{} is not a range of rows within 0..{}", where, range.first, range.last,
                                  static_cast<std::int64_t>(rows) - 1));
  }
  return range;
}

// Runs of meta.json with the stretches that they leave out, and the instant of every row: runs count on from their own
// `first_time` where it is known, else from `origin` by the row number.
void read_runs(Part& part, const Json* runs, Nanoseconds origin, double period_s, const std::string& where) {
  const auto rows = static_cast<std::int64_t>(part.values.rows());
  const auto at = [&](std::int64_t row) { return static_cast<Nanoseconds>(static_cast<double>(row) * period_s * 1e9); };
  part.times.resize(part.values.rows());
  for (std::int64_t r = 0; r < rows; ++r) part.times[static_cast<std::size_t>(r)] = origin + at(r);
  std::int64_t covered = 0;
  for (const Json& item : runs == nullptr ? Json::Array{} : runs->as_array()) {
    const RowRange run = read_range(item, part.values.rows(), where);
    if (run.first < covered)
      throw input_error(fmt::format("{}: run {}..{} overlaps the one before", where, run.first, run.last));
    if (run.first > covered) part.runs.push_back({covered, run.first - 1});
    part.runs.push_back(run);
    covered = run.last + 1;
    if (const auto stamp = parse_stamp(item.string_or("first_time", ""))) {
      for (std::int64_t r = run.first; r <= run.last; ++r) {
        part.times[static_cast<std::size_t>(r)] = stamp->time + at(r - run.first);
      }
    }
  }
  if (covered < rows) part.runs.push_back({covered, rows - 1});
}

std::vector<Column> read_columns(const Json& meta, std::size_t width, const std::string& where) {
  std::vector<Column> columns;
  if (const Json* items = meta.find("columns")) {
    for (const Json& item : items->as_array()) {
      if (item.is_string())
        columns.push_back({item.as_string(), "", ""});
      else
        columns.push_back({item.at("name").as_string(), item.string_or("unit", ""), item.string_or("description", "")});
    }
    if (columns.size() != width) {
      throw input_error(fmt::format("{}: {} columns named, train.csv has {}", where, columns.size(), width));
    }
  }
  for (std::size_t c = columns.size(); c < width; ++c) columns.push_back({fmt::format("c{}", c), "", ""});
  std::vector<std::string> names;
  for (const Column& column : columns) names.push_back(column.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) throw input_error(fmt::format("{}: column '{}' is named twice", where, *twice));
  return columns;
}

std::vector<Segment> read_segments(const Json& meta, const Part& eval, const std::string& where) {
  std::vector<Segment> segments;
  if (const Json* items = meta.find("anomaly_segments")) {
    for (const Json& item : items->as_array()) {
      Segment segment;
      segment.rows = read_range(item, eval.values.rows(), where);
      if (const Json* cause = item.find("root_cause"); cause != nullptr && cause->is_string()) {
        segment.root_cause = cause->as_string();
      }
      if (const Json* affected = item.find("affected")) segment.affected = strings(*affected);
      segments.push_back(std::move(segment));
    }
    return segments;
  }
  for (std::size_t r = 0; r < eval.labels.size(); ++r) {
    if (eval.labels[r] == 0) continue;
    const auto row = static_cast<std::int64_t>(r);
    if (segments.empty() || segments.back().rows.last != row - 1) segments.push_back({{row, row}, "", {}});
    segments.back().rows.last = row;
  }
  return segments;
}

Part read_part(const fs::path& folder, const std::string& part_name, std::size_t width) {
  Part part;
  part.values = read_number_file(folder / (part_name + ".csv"), width);
  part.labels = read_label_file(folder / (part_name + "_labels.csv"));
  if (part.labels.size() != part.values.rows()) {
    throw input_error(fmt::format("{}: {} labels for {} rows of {}.csv",
                                  (folder / (part_name + "_labels.csv")).string(), part.labels.size(),
                                  part.values.rows(), part_name));
  }
  return part;
}

void check_count(const Json& meta, const char* key, std::size_t rows, const std::string& where) {
  if (meta.find(key) != nullptr && meta.at(key).as_int() != static_cast<std::int64_t>(rows)) {
    throw input_error(fmt::format("{}: {} is {}, but the file has {} rows", where, key, meta.at(key).as_int(), rows));
  }
}

}  // namespace

std::vector<std::string> DataSet::column_names() const {
  std::vector<std::string> names;
  for (const Column& column : columns) names.push_back(column.name);
  return names;
}

DataSet load_data_set(const fs::path& folder) {
  DataSet set;
  set.folder = folder;
  std::string hashes;
  for (const char* file : kFiles) {
    if (!fs::is_regular_file(folder / file)) {
      throw input_error(fmt::format("{} is no data set: it has no {} (make one with anomctl create-datasets)",
                                    folder.string(), file));
    }
    hashes += fmt::format("{} {}\n", file, sha256_file(folder / file));
  }
  set.train = read_part(folder, "train", 0);
  set.eval = read_part(folder, "eval", set.train.values.cols());

  const fs::path meta_path = folder / "meta.json";
  const std::string where = meta_path.string();
  set.has_meta = fs::exists(meta_path);
  if (set.has_meta) {
    const std::string text = read_file(meta_path);
    hashes += fmt::format("meta.json {}\n", sha256_hex(text));
    set.meta = Json::parse(text, where);
    if (!set.meta.is_object()) throw input_error(fmt::format("{}: expected an object", where));
    check_count(set.meta, "n_train", set.train.values.rows(), where);
    check_count(set.meta, "n_eval", set.eval.values.rows(), where);
  }
  set.hash = sha256_hex(hashes);
  const fs::path plain = folder.filename().empty() ? folder.parent_path() : folder;
  set.name = set.meta.string_or("name", fs::absolute(plain).filename().string());
  set.columns = read_columns(set.meta, set.train.values.cols(), where);
  set.period_s = set.meta.number_or("sampling_period_s", 1);
  set.period_known = set.meta.find("sampling_period_s") != nullptr;
  if (!(set.period_s > 0)) throw input_error(fmt::format("{}: sampling_period_s must be above 0", where));
  set.active_when = set.meta.string_or("active_when", "");
  set.settle_s = set.meta.number_or("settle_s", 0);
  const auto train_length = static_cast<Nanoseconds>(static_cast<double>(set.train.values.rows()) * set.period_s * 1e9);
  read_runs(set.train, set.meta.find("train_runs"), 0, set.period_s, where);
  read_runs(set.eval, set.meta.find("eval_runs"), train_length, set.period_s, where);
  set.segments = read_segments(set.meta, set.eval, where);
  return set;
}

}  // namespace anomctl
