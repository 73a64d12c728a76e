#include "anomctl/data/data_set_writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "anomctl/core/error.h"
#include "data/column_names.h"
#include "data/writer/meta.h"
#include "data/writer/row_file.h"
#include "data/writer/row_marks.h"

namespace anomctl {
namespace {

constexpr std::int64_t kRowsBetweenLooks = 65'536;

// What is left behind when something throws.
struct PartialFolder {
  fs::path path;
  ~PartialFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

struct Intake {
  RowMarks marks;
  std::vector<Stretch> stretches;  // of labelled anomalies, as rows of the whole
  Tally disagreements;             // the source's own label differs from the intervals
  std::int64_t thinned = 0;
};

Intake take_rows(LabelledSource& source, const DataSetPlan& plan, const fs::path& body, Progress& progress,
                 std::stop_token stop, std::vector<bool>& covered) {
  Intake intake;
  IntervalLabels intervals(plan.anomalies);
  Activity activity(plan.active_when, plan.settle_s, source.columns());
  RowFile file(body, source.columns().size());
  progress.begin("reading rows", 0, "rows");
  Row row;
  std::int64_t in_run = 0, taken = 0;
  bool start = false;
  while (source.next(row)) {
    if (++taken % kRowsBetweenLooks == 0) {
      progress.update(taken);
      if (stop.stop_requested()) throw failed("stopped: no data set was made");
    }
    if (source.starts_run()) {
      start = true;
      in_run = 0;
    }
    const bool idle = activity.idle(row, source.starts_run());
    if (in_run++ % plan.downsample != 0) {
      ++intake.thinned;
      continue;
    }
    RowMarks& marks = intake.marks;
    const std::int64_t number = marks.rows(), file_number = source.file_number();
    bool label = source.label();
    if (plan.have_anomalies) {
      const bool inside = intervals.label(number, row.time, file_number);
      if (label && !inside) intake.disagreements.add(source.where());
      label = inside;
    }
    marks.times.push_back(row.time);
    marks.flags.push_back(static_cast<std::uint8_t>((label ? RowMarks::kLabel : 0) | (idle ? RowMarks::kIdle : 0) |
                                                    (start ? RowMarks::kStart : 0)));
    if (marks.files.empty() || marks.files.back().number != file_number) marks.files.push_back({number, file_number});
    start = false;
    file.push(row.values);
  }
  progress.update(taken);
  progress.end();
  file.close();
  intake.stretches = intervals.stretches();
  covered.resize(plan.anomalies.size());
  for (std::size_t a = 0; a < covered.size(); ++a) covered[a] = intervals.covered(a);
  return intake;
}

// Runs of rows that the source labelled itself.
std::vector<Stretch> stretches_of_labels(const RowMarks& marks) {
  std::vector<Stretch> out;
  for (std::int64_t row = 0; row < marks.rows(); ++row) {
    if (!marks.has(row, RowMarks::kLabel)) continue;
    const bool goes_on = !out.empty() && out.back().last == row - 1 && !marks.has(row, RowMarks::kStart);
    if (goes_on)
      out.back().last = row;
    else
      out.push_back({0, row, row, marks.file_of(row)});
  }
  return out;
}

// The first row of eval.
std::int64_t choose_split(const DataSetPlan& plan, const RowMarks& marks, std::string& sentence) {
  const std::int64_t rows = marks.rows();
  std::int64_t first = 0, active = 0, all_active = 0;
  while (first < rows && !marks.has(first, RowMarks::kLabel)) active += !marks.has(first++, RowMarks::kIdle);
  for (std::int64_t row = 0; row < rows; ++row) all_active += !marks.has(row, RowMarks::kIdle);
  const double fraction = plan.eval_fraction.value_or(plan.default_eval_fraction);
  const auto by_fraction = static_cast<std::int64_t>(std::llround(static_cast<double>(rows) * (1 - fraction)));
  if (plan.eval_fraction) {
    sentence = fmt::format("eval is the last {} of the rows, as asked for", fraction);
    return by_fraction;
  }
  if (first == rows) {
    sentence = fmt::format("no row is labelled anomalous: eval is the last {} of the rows", fraction);
    return by_fraction;
  }
  if (active < plan.enough_rows && active * 5 < all_active) {
    sentence = fmt::format("only {} normal rows come before the first anomaly: eval is the last {} of the rows", active,
                           fraction);
    return by_fraction;
  }
  const std::int64_t lead = std::min(plan.lead_rows, first / 5);
  sentence = fmt::format("train is the normal rows before the first anomaly, less {} that lead up to it", lead);
  return first - lead;
}

void check_anomalies(const DataSetPlan& plan, const RowMarks& marks, const std::vector<bool>& covered,
                     ReadReport& report) {
  if (!plan.have_anomalies || plan.anomalies.empty()) return;
  const auto [earliest, latest] = std::minmax_element(marks.times.begin(), marks.times.end());
  Tally outside, between;
  for (std::size_t a = 0; a < covered.size(); ++a) {
    if (covered[a]) continue;
    const Anomaly& anomaly = plan.anomalies[a];
    (anomaly.end < *earliest || anomaly.start > *latest ? outside : between).add(anomaly.where);
  }
  const std::string span = fmt::format("{} to {}", format_stamp(*earliest), format_stamp(*latest));
  const auto all = static_cast<std::int64_t>(covered.size());
  if (outside.count + between.count == all) {
    throw input_error(
        fmt::format("{}: none of the {} anomalies covers a row: the data runs from {}; is --timezone right?",
                    outside.count > 0 ? outside.first : between.first, all, span));
  }
  if (outside.count > 0) {
    report.notes.push_back(fmt::format("{} of {} anomalies lie outside the data, {} (first at {})", outside.count, all,
                                       span, outside.first));
  }
  if (between.count > 0) {
    report.notes.push_back(
        fmt::format("{} of {} anomalies cover no row that is kept (first at {})", between.count, all, between.first));
  }
}

void put_in_place(const fs::path& partial, const fs::path& folder, ReadReport& report) {
  std::error_code error;
  const fs::path old = partial.string() + ".old";
  const bool replaces = fs::exists(folder);
  if (replaces) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      static const std::vector<std::string> ours = {"train.csv", "train_labels.csv", "eval.csv", "eval_labels.csv",
                                                    "meta.json"};
      if (std::find(ours.begin(), ours.end(), name) == ours.end()) {
        throw failed(fmt::format("{} holds {}, which is no part of a data set: take another --name, or move it away",
                                 folder.string(), name));
      }
    }
    report.notes.push_back("the data set of this name that was there is replaced");
    fs::rename(folder, old, error);  // a kill from here on leaves both under other names
  }
  if (!error) fs::rename(partial, folder, error);
  if (!error && replaces) fs::remove_all(old);
  if (error) throw failed(fmt::format("cannot move the data set to {}: {}", folder.string(), error.message()));
}

std::vector<std::uint8_t> labels_of(const RowMarks& marks, std::int64_t first, std::int64_t end, bool leave_idle_out) {
  std::vector<std::uint8_t> labels;
  for (std::int64_t row = first; row < end; ++row) {
    if (!(leave_idle_out && marks.has(row, RowMarks::kIdle)))
      labels.push_back(marks.has(row, RowMarks::kLabel) ? 1 : 0);
  }
  return labels;
}

}  // namespace

WrittenDataSet write_data_set(LabelledSource& source, const DataSetPlan& plan, ReadReport& report, Progress& progress,
                              std::stop_token stop) {
  const fs::path parent = plan.folder.has_parent_path() ? plan.folder.parent_path() : fs::path(".");
  std::error_code error;
  fs::create_directories(parent, error);
  const PartialFolder partial{parent / fmt::format(".{}.{}", plan.folder.filename().string(), random_hex(4))};
  fs::create_directory(partial.path, error);
  if (error) throw failed(fmt::format("cannot make a folder in {}: {}", parent.string(), error.message()));

  const fs::path body = partial.path / "rows.csv";
  std::vector<bool> covered;
  Intake intake = take_rows(source, plan, body, progress, stop, covered);
  const RowMarks& marks = intake.marks;
  if (marks.rows() < 2) {
    std::string why;
    for (const std::string& s : report.sentences(source.columns())) why += (why.empty() ? "" : "; ") + s;
    throw input_error(fmt::format("{} rows are left: nothing to learn from ({})", marks.rows(), why));
  }
  check_anomalies(plan, marks, covered, report);
  if (!plan.have_anomalies) intake.stretches = stretches_of_labels(marks);

  WrittenDataSet out;
  const std::int64_t split = std::clamp<std::int64_t>(choose_split(plan, marks, out.split), 0, marks.rows());
  const auto train_runs = runs_of(marks, 0, split, true), eval_runs = runs_of(marks, split, marks.rows(), false);
  if (train_runs.empty() || eval_runs.empty()) {
    throw input_error(fmt::format("{} would be empty: {}", train_runs.empty() ? "train" : "eval", out.split));
  }
  progress.begin("splitting", 0, "rows");
  split_lines(body, {partial.path / "train.csv", partial.path / "eval.csv"}, [&](std::int64_t row) {
    return row >= split ? 1 : marks.has(row, RowMarks::kIdle) ? -1 : 0;
  });
  progress.end();
  fs::remove(body);
  const auto train_labels = labels_of(marks, 0, split, true),
             eval_labels = labels_of(marks, split, marks.rows(), false);
  write_labels(partial.path / "train_labels.csv", train_labels);
  write_labels(partial.path / "eval_labels.csv", eval_labels);

  out.name = plan.name;
  out.folder = plan.folder;
  out.columns = source.columns();
  out.period_s = plan.period_s * static_cast<double>(plan.downsample);
  out.train_rows = static_cast<std::int64_t>(train_labels.size());
  out.eval_rows = static_cast<std::int64_t>(eval_labels.size());
  out.train_labelled = std::count(train_labels.begin(), train_labels.end(), std::uint8_t{1});
  out.eval_labelled = std::count(eval_labels.begin(), eval_labels.end(), std::uint8_t{1});
  out.train_runs = static_cast<std::int64_t>(train_runs.size());
  out.eval_runs = static_cast<std::int64_t>(eval_runs.size());
  out.idle_train_rows = split - out.train_rows;
  for (std::int64_t row = split; row < marks.rows(); ++row) out.idle_eval_rows += marks.has(row, RowMarks::kIdle);
  if (intake.thinned > 0)
    report.notes.push_back(fmt::format("{} rows thinned out: of {} the first stays", intake.thinned, plan.downsample));
  if (out.idle_train_rows > 0) {
    report.notes.push_back(
        fmt::format("{} idle rows left out of train (active when {})", out.idle_train_rows, plan.active_when));
  }
  if (out.idle_eval_rows > 0)
    report.notes.push_back(fmt::format("{} rows of eval are idle and will not be judged", out.idle_eval_rows));
  if (out.train_labelled > 0) {
    report.notes.push_back(
        fmt::format("{} rows of train are labelled anomalous: windows that touch them are left out of fitting",
                    out.train_labelled));
  }
  if (intake.disagreements.count > 0) {
    report.notes.push_back(
        fmt::format("{} rows are labelled in the data but lie in no interval: the intervals were taken (first at {})",
                    intake.disagreements.count, intake.disagreements.first));
  }
  const auto segments = segments_of(plan, intake.stretches, split, marks.rows(), report);
  out.segments = static_cast<std::int64_t>(segments.size());
  out.sentences = report.sentences(out.columns);
  write_file_atomic(partial.path / "meta.json",
                    meta_json(plan, out, train_runs, eval_runs, segments, report).dump(1) + "\n");
  const std::size_t notes = report.notes.size();
  put_in_place(partial.path, plan.folder, report);
  for (std::size_t n = notes; n < report.notes.size(); ++n) out.sentences.push_back(report.notes[n]);
  return out;
}

}  // namespace anomctl
