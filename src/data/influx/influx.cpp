#include "anomctl/data/influx.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "data/influx/series.h"

namespace anomctl {
namespace {

// A step that stamps with jitter mean: within a fiftieth of a whole number of hours, minutes, seconds, ... it is that.
Nanoseconds round_step(Nanoseconds step) {
  for (const Nanoseconds unit : {kHour, kMinute, kSecond, 100 * kMillisecond, 10 * kMillisecond, kMillisecond}) {
    const Nanoseconds rounded = (step + unit / 2) / unit * unit;
    if (rounded > 0 && std::abs(step - rounded) * 50 <= step) return rounded;
  }
  return step;
}

// Rows at every stamp of any column.
class MergedSeries : public LabelledSource {
 public:
  MergedSeries(InfluxColumns columns, std::string file)
      : columns_(std::move(columns)), file_(std::move(file)), at_(columns_.data.size(), 0) {
    for (const InfluxColumn& column : columns_.data) names_.push_back(column.name);
  }
  const std::vector<std::string>& columns() const override { return names_; }
  bool label() const override { return label_; }
  bool starts_run() const override { return starts_run_; }
  std::string where() const override { return fmt::format("{} at {}", file_, format_stamp(time_)); }

  bool next(Row& row) override {
    Nanoseconds first = std::numeric_limits<Nanoseconds>::max();
    bool any = false;
    for (std::size_t c = 0; c < at_.size(); ++c) {
      const InfluxColumn& column = columns_.data[c];
      if (at_[c] == column.times.size()) continue;
      any = true;
      first = std::min(first, column.times[at_[c]]);
    }
    if (!any) return false;
    row.time = time_ = first;
    row.values.assign(at_.size(), std::numeric_limits<double>::quiet_NaN());
    for (std::size_t c = 0; c < at_.size(); ++c) {
      const InfluxColumn& column = columns_.data[c];
      if (at_[c] == column.times.size() || column.times[at_[c]] != first) continue;
      row.values[c] = column.values[at_[c]++];
    }
    starts_run_ = !begun_;
    begun_ = true;
    while (start_ < columns_.run_starts.size() && columns_.run_starts[start_] <= first) {
      // Columns of one run begin within moments of each other: only the first of them starts it.
      const Nanoseconds start = columns_.run_starts[start_++];
      if (!last_start_ || start - *last_start_ > settle_) starts_run_ = true;
      last_start_ = start;
    }
    if (!columns_.label.empty()) {
      const InfluxColumn& labels = columns_.label.front();
      for (; label_at_ < labels.times.size() && labels.times[label_at_] <= first; ++label_at_) {
        label_ = labels.values[label_at_] != 0;
      }
    }
    return true;
  }
  void settle(Nanoseconds time) { settle_ = time; }

 private:
  InfluxColumns columns_;
  std::string file_;
  std::vector<std::string> names_;
  std::vector<std::size_t> at_;
  std::size_t start_ = 0, label_at_ = 0;
  std::optional<Nanoseconds> last_start_;
  Nanoseconds time_ = 0, settle_ = 0;
  bool begun_ = false, starts_run_ = false, label_ = false;
};

}  // namespace

InfluxSource open_influx(std::unique_ptr<ByteSource> bytes, const std::string& name, const InfluxSettings& settings,
                         ReadReport& report) {
  CsvReader reader(std::move(bytes), name);
  InfluxColumns columns = name_columns(read_series(reader, settings, report), settings, name, report);
  InfluxSource out;
  std::vector<Nanoseconds> steps, known;
  for (const InfluxColumn& column : columns.data) {
    steps.clear();
    for (std::size_t i = 1; i < column.times.size(); ++i) steps.push_back(column.times[i] - column.times[i - 1]);
    out.shape.column_period.push_back(round_step(median_step(steps)));
    if (out.shape.column_period.back() > 0) known.push_back(out.shape.column_period.back());
  }
  if (!known.empty()) {
    // The middle column's step, the shorter of two middle ones.
    const auto middle = known.begin() + static_cast<std::ptrdiff_t>((known.size() - 1) / 2);
    std::nth_element(known.begin(), middle, known.end());
    out.shape.period = *middle;
    const auto [fastest, slowest] = std::minmax_element(known.begin(), known.end());
    if (*fastest != *slowest) {
      report.notes.push_back(
          fmt::format("columns have steps from {} to {}", format_duration({*fastest}), format_duration({*slowest})));
    }
  }
  auto rows = std::make_unique<MergedSeries>(std::move(columns), name);
  // Stamps of centuries apart give steps that cannot be multiplied.
  rows->settle(5 * std::clamp(out.shape.period, kMillisecond, 365 * kDay));
  out.rows = std::move(rows);
  return out;
}

InfluxSource open_influx(const fs::path& file, const InfluxSettings& settings, ReadReport& report) {
  return open_influx(open_bytes(file), file.string(), settings, report);
}

}  // namespace anomctl
