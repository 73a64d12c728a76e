// What create-datasets takes from a running InfluxDB: its readings as the bytes of an export, and the anomalies that
// stored verdicts tell. Thread rule: one thread an object.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/core/progress.h"
#include "anomctl/data/anomalies.h"
#include "anomctl/data/csv.h"
#include "anomctl/io/influx/sliced_query.h"

namespace anomctl {

struct InfluxLiveOptions {
  InfluxReadSettings server;
  std::string start, stop = "now";
  std::vector<std::string> measurement;
  std::string verdicts;

  static void fields(auto& self, auto&& field) {
    InfluxReadSettings::fields(self.server, field);
    field("start", self.start, "influx: read from this stamp on, or -30d for the last 30 days");
    field("stop", self.stop, "influx: read up to this stamp, which is not in; or -1h, or now");
    field("measurement", self.measurement, "influx: measurements to take; left out: all of the bucket", Whole{});
    field(
        "verdicts", self.verdicts,
        "influx: measurement with verdicts in the same bucket (manage and Telegraf write verdict): where is_anomaly is "
        "1 the rows are labelled");
  }
};

using InfluxTagList = std::vector<std::pair<std::string, std::string>>;
// "key=value" each. Throws UsageError.
InfluxTagList parse_tags(const std::vector<std::string>& tags);

// A range of a bucket, once its ends are known.
class InfluxLive {
 public:
  // Throws UsageError for settings that do not go together. `progress` must outlive this and what it gives.
  InfluxLive(const InfluxLiveOptions& options, InfluxTagList tags, const TimeZone& zone, Progress& progress,
             std::stop_token stop);
  // Annotated CSV, slice after slice.
  std::unique_ptr<ByteSource> readings() const;
  // Stretches of verdicts with is_anomaly 1, both ends in, by start; of several series of verdicts together. Throws
  // Error(bad_input) where there are no verdicts.
  std::vector<Anomaly> judged_anomalies(ReadReport& report) const;
  std::string name() const { return where_; }  // for messages
  std::string described() const;               // for meta.json

 private:
  std::unique_ptr<ByteSource> points(FluxSelection selection, std::string what) const;

  InfluxLiveOptions options_;
  InfluxTagList tags_;
  SlicedQuery::Range range_;
  Progress& progress_;
  std::stop_token stop_;
  std::string where_;
};

}  // namespace anomctl
