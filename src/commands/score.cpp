#include "commands/score.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/detection/replay.h"
#include "anomctl/registry/model_follower.h"
#include "anomctl/registry/run_bundle.h"
#include "commands/open_model.h"
#include "commands/sensor_table.h"

namespace anomctl {
namespace {

// Lines to a file, which takes its place when it is complete, or to standard output.
class LineOutput {
 public:
  explicit LineOutput(const fs::path& path) : path_(path), part_(path.string() + (is_device(path) ? "" : ".part")) {
    file_ = path == "-" ? stdout : std::fopen(part_.c_str(), "we");
    if (file_ == nullptr) throw failed(fmt::format("cannot write {}: {}", path.string(), std::strerror(errno)));
  }
  ~LineOutput() {
    if (file_ == nullptr || file_ == stdout) return;
    std::fclose(file_);
    give_up();
  }
  LineOutput(const LineOutput&) = delete;
  LineOutput& operator=(const LineOutput&) = delete;

  void write(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) fail();
  }
  void flush() {
    if (std::fflush(file_) != 0) fail();
  }
  void finish() {
    flush();
    if (file_ == stdout) return;
    const int closed = std::fclose(std::exchange(file_, nullptr));
    if (closed != 0 || (part_ != path_ && std::rename(part_.c_str(), path_.c_str()) != 0)) {
      give_up();
      fail();
    }
  }

 private:
  void give_up() const {
    if (part_ != path_) ::unlink(part_.c_str());
  }
  [[noreturn]] void fail() const {
    if (errno == EPIPE && path_ == "-") throw failed("");  // the reader has what it wanted
    throw failed(
        fmt::format("cannot write {}: {}", path_ == "-" ? "standard output" : path_.string(), std::strerror(errno)));
  }
  fs::path path_;
  std::string part_;
  std::FILE* file_;
};

std::string header(const Bundle& bundle, bool details) {
  std::string line = "row,score,is_anomaly";
  if (details) {
    for (const char* what : {"forecast", "reconstruction", "actual", "score"}) {
      for (const std::size_t t : bundle.targets()) line += fmt::format(",{}_{}", what, bundle.columns[t].name);
    }
  }
  return line + "\n";
}

// Nine digits give every float back; an absent value is an empty cell.
void add_number(std::string& line, double value) {
  line += ',';
  if (std::isfinite(value)) fmt::format_to(std::back_inserter(line), "{:.9g}", value);
}

void add_details(std::string& line, const Bundle& bundle, const std::vector<std::size_t>& targets,
                 const RowScore& score) {
  const auto add_unscaled = [&](const std::vector<float>& scaled) {
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (score.scored && !scaled.empty())
        add_number(line, bundle.scaler.unscale_value(targets[i], static_cast<double>(scaled[i])));
      else
        line += ',';
    }
  };
  const bool of_all_sensors = bundle.panel != nullptr;
  add_unscaled(score.forecast);
  add_unscaled(score.reconstruction);
  add_unscaled(score.actual);
  for (std::size_t i = 0; i < targets.size(); ++i)
    add_number(line, score.scored ? score.per_sensor[of_all_sensors ? targets[i] : i] : std::nan(""));
}

std::shared_ptr<const Bundle> bundle_for(const ScoreOptions& options) {
  if (options.threshold && !options.budget.empty())
    throw UsageError("budget and threshold both say what the limit is: give one of them");
  if (!options.model.empty() && !(options.bundle.empty() && options.run.empty()))
    throw UsageError("--model excludes --bundle and --run: give one of them");
  Bundle bundle =
      load_bundle(options.model.empty() ? choose_bundle(options.bundle, options.run, options.tracking).folder
                                        : ModelFollower(options.tracking, options.model).start().folder);
  if (options.compat == "reference") bundle = as_reference(std::move(bundle));
  if (!options.budget.empty()) log_info("{}", take_budget(bundle, options.budget).in_words);
  return std::make_shared<const Bundle>(std::move(bundle));
}

int run_score(const ScoreOptions& options, Context& context) {
  if (context.json() && options.output == "-")
    throw UsageError("--json needs --output FILE: standard output can carry only one of the two");
  const ScoreCounts counts = score(options, context);
  context.result["rows"] = counts.rows;
  context.result["scored"] = counts.scored;
  context.result["anomalous"] = counts.anomalous;
  context.result["missing_cells"] = counts.missing_cells;
  context.result["gaps"] = counts.gaps;
  if (options.output != "-") {
    context.result["output"] = options.output.string();
    context.text(fmt::format("{} of {} rows scored, {} over the limit: {}", counts.scored, counts.rows,
                             counts.anomalous, options.output.string()));
  }
  return context.stop().exit_code(0);
}

}  // namespace

ScoreCounts score(const ScoreOptions& options, Context& context) {
  const std::shared_ptr<const Bundle> bundle = bundle_for(options);
  const auto model = open_model(*bundle, options.device);
  const auto window = static_cast<std::size_t>(bundle->settings.window_size);
  const std::vector<std::size_t> targets = bundle->targets();

  Detector detector(bundle, nullptr,
                    {.threshold = options.threshold,
                     .max_gap_periods = options.compat == "reference" ? 0 : options.max_gap_periods,
                     .healthy_start = options.healthy_start});
  LineOutput output(options.output);
  std::string line = header(*bundle, options.details);
  BatchJudge judge(detector, *model, static_cast<std::size_t>(options.batch_size),
                   [&](std::size_t row, const Verdict& verdict, const RowScore& row_score) {
                     if (row < window) return;
                     line += fmt::format("{}", row);
                     add_number(line, verdict.score);
                     line += ',';
                     if (std::isfinite(verdict.score) && detector.threshold()) line += verdict.is_anomaly ? '1' : '0';
                     if (options.details) add_details(line, *bundle, targets, row_score);
                     line += '\n';
                     output.write(line);
                     line.clear();
                   });
  const std::stop_token stop = context.stop().token();
  const auto before_wait = [&] {
    judge.flush();
    output.flush();
  };
  SensorTable table(options.input, bundle->column_names(), bundle->period_s, {before_wait, stop});
  context.progress().begin("scoring", 0, "rows");
  Row row;
  ScoreCounts counts;
  while (!stop.stop_requested() && table.next(row)) {
    judge.push(row);
    if (++counts.rows % 1024 == 0) context.progress().update(counts.rows);
  }
  judge.flush();
  context.progress().end();
  if (stop.stop_requested()) return counts;
  if (counts.rows <= static_cast<std::int64_t>(window)) {
    throw input_error(fmt::format("{} has {} rows, a window of {} needs at least {}",
                                  options.input == "-" ? "standard input" : options.input.string(), counts.rows, window,
                                  window + 1));
  }
  output.finish();
  counts.scored = detector.counts().scored;
  counts.anomalous = detector.counts().anomalous;
  counts.missing_cells = detector.counts().missing_cells;
  counts.gaps = detector.counts().gaps;
  if (counts.missing_cells > 0)
    log_warning("{} missing values: each was held from the row before and took no part in the score",
                counts.missing_cells);
  if (counts.gaps > 0)
    log_warning("{} pauses or stamps that do not advance: the window filled anew after each", counts.gaps);
  if (table.empty_lines() > 0) log_warning("{} empty lines were left out", table.empty_lines());
  return counts;
}

CommandSpec score_command() {
  return make_command<ScoreOptions>("score", "Data and models", "Score the rows of a CSV file with a bundle",
                                    {"anomctl score --bundle pump.bundle --input readings.csv --output scores.csv",
                                     "cat readings.csv | anomctl score --bundle pump.bundle --details"},
                                    run_score);
}

}  // namespace anomctl
