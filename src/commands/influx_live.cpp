#include "commands/influx_live.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "anomctl/core/error.h"
#include "anomctl/data/influx.h"

namespace anomctl {
namespace {

constexpr const char* kJudged = "is_anomaly";

// A stamp, or a time before `now`.
Nanoseconds moment(const char* option, const std::string& text, const TimeZone& zone, Nanoseconds now) {
  if (text == "now") return now;
  if (text.starts_with('-')) {
    if (const auto ago = parse_duration(std::string_view(text).substr(1)); ago && ago->ns > 0 && ago->ns <= now)
      return now - ago->ns;
  } else if (const auto stamp = parse_stamp(text, zone)) {
    return stamp->time;
  }
  throw UsageError(
      fmt::format("--{} '{}': expected a stamp as 2026-01-02T03:04:05Z, a time ago as -30d, or now", option, text));
}

// The answers one after another, each whole before its first byte is given out.
class LivePoints : public ByteSource {
 public:
  LivePoints(const InfluxReadSettings& server, FluxSelection selection, SlicedQuery::Range range, Progress& progress,
             std::stop_token stop, const std::string& what)
      : query_(server, std::move(selection), range, std::move(stop)), start_(range.start), progress_(progress) {
    progress_.begin(what, std::max<std::int64_t>(1, (range.stop - range.start) / kSecond), "s of data");
  }
  ~LivePoints() override { progress_.end(); }
  LivePoints(const LivePoints&) = delete;
  LivePoints& operator=(const LivePoints&) = delete;

  std::size_t read(char* out, std::size_t size) override {
    while (at_ == answer_.size()) {
      auto next = query_.next();
      if (!next) return 0;
      answer_ = std::move(*next);
      at_ = 0;
      progress_.update((query_.done() - start_) / kSecond);
    }
    const std::size_t n = std::min(size, answer_.size() - at_);
    std::memcpy(out, answer_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  SlicedQuery query_;
  const Nanoseconds start_;
  Progress& progress_;
  std::string answer_;
  std::size_t at_ = 0;
};

// Stretches that meet or overlap become one.
std::vector<Anomaly> merged(std::vector<Anomaly> stretches) {
  std::sort(stretches.begin(), stretches.end(), [](const Anomaly& a, const Anomaly& b) { return a.start < b.start; });
  std::vector<Anomaly> out;
  for (Anomaly& stretch : stretches) {
    if (!out.empty() && stretch.start <= out.back().end) {
      out.back().end = std::max(out.back().end, stretch.end);
    } else {
      out.push_back(std::move(stretch));
    }
  }
  return out;
}

}  // namespace

InfluxTagList parse_tags(const std::vector<std::string>& tags) {
  InfluxTagList out;
  for (const std::string& tag : tags) {
    const std::size_t equals = tag.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError(fmt::format("--tag '{}': expected KEY=VALUE", tag));
    out.emplace_back(tag.substr(0, equals), tag.substr(equals + 1));
  }
  return out;
}

InfluxLive::InfluxLive(const InfluxLiveOptions& options, InfluxTagList tags, const TimeZone& zone, Progress& progress,
                       std::stop_token stop)
    : options_(options), tags_(std::move(tags)), progress_(progress), stop_(std::move(stop)) {
  validate(options.server);
  if (options.start.empty())
    throw UsageError("--influx-url wants --start: a stamp as 2026-01-02T03:04:05Z, or -30d for the last 30 days");
  const Nanoseconds now = system_clock().now();
  range_ = {moment("start", options.start, zone, now), moment("stop", options.stop, zone, now)};
  if (range_.stop <= range_.start)
    throw UsageError(
        fmt::format("--stop {} is not after --start {}", format_stamp(range_.stop), format_stamp(range_.start)));
  where_ = fmt::format("InfluxDB {}, bucket '{}'", options.server.influx_url, options.server.influx_bucket);
}

std::unique_ptr<ByteSource> InfluxLive::points(FluxSelection selection, std::string what) const {
  return std::make_unique<LivePoints>(options_.server, std::move(selection), range_, progress_, stop_, what);
}

std::unique_ptr<ByteSource> InfluxLive::readings() const {
  return points({options_.server.influx_bucket, options_.measurement, tags_, {}}, "reading InfluxDB");
}

std::string InfluxLive::described() const {
  std::string text = fmt::format("InfluxDB bucket {}, {} to {}", options_.server.influx_bucket,
                                 format_stamp(range_.start), format_stamp(range_.stop));
  if (!options_.measurement.empty()) text += fmt::format(", measurement {}", fmt::join(options_.measurement, ", "));
  for (const auto& [key, value] : tags_) text += fmt::format(", {} {}", key, value);
  return text;
}

std::vector<Anomaly> InfluxLive::judged_anomalies(ReadReport& report) const {
  InfluxSettings settings;
  settings.columns = {kJudged};
  settings.label_column = "none";
  ReadReport own;  // of verdicts, not of rows of the data set
  const InfluxSource verdicts =
      open_influx(points({options_.server.influx_bucket, {options_.verdicts}, tags_, kJudged}, "reading verdicts"),
                  fmt::format("{}, measurement '{}'", where_, options_.verdicts), settings, own);
  std::vector<Anomaly> found;
  std::vector<Anomaly> open(verdicts.rows->columns().size());
  std::vector<bool> is_open(open.size(), false);
  std::int64_t judged = 0;
  Row row;
  while (verdicts.rows->next(row)) {
    for (std::size_t c = 0; c < row.values.size(); ++c) {
      if (std::isnan(row.values[c])) continue;  // a verdict of another series
      ++judged;
      if (row.values[c] != 0) {
        if (!is_open[c]) open[c].start = row.time;
        open[c].end = row.time;
        open[c].where = fmt::format("{} at {}", options_.verdicts, format_stamp(row.time));
        is_open[c] = true;
      } else if (is_open[c]) {
        found.push_back(open[c]);
        is_open[c] = false;
      }
    }
  }
  for (std::size_t c = 0; c < open.size(); ++c)
    if (is_open[c]) found.push_back(open[c]);
  found = merged(std::move(found));
  report.notes.push_back(
      fmt::format("anomalies: {} stretches of {} verdicts in '{}'", found.size(), judged, options_.verdicts));
  return found;
}

}  // namespace anomctl
