// Points for InfluxDB 2 as line protocol, written over HTTP in batches behind the back of who judges: tried again with
// growing pauses where the server does not take them, bounded in memory. Thread rule: `put` and `counts` from any
// thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/json.h"
#include "anomctl/core/time.h"
#include "anomctl/io/net/http_client.h"

namespace anomctl {

struct InfluxWriteSettings {
  std::string influx_url, influx_org, influx_bucket, influx_token;
  std::int64_t influx_queue = 100'000;

  static void fields(auto& self, auto&& field) {
    field("influx_url", self.influx_url,
          "write readings, verdicts and alerts to this InfluxDB 2 too, as line protocol: http(s)://HOST[:PORT]");
    field("influx_org", self.influx_org, "organisation in InfluxDB");
    field("influx_bucket", self.influx_bucket, "bucket in InfluxDB");
    field("influx_token", self.influx_token, "token that may write there", Secret{});
    field("influx_queue", self.influx_queue,
          "points that may wait for InfluxDB; then the oldest are dropped and counted", Between{1, 1e7});
  }
};
// Throws UsageError for settings that do not go together.
void validate(const InfluxWriteSettings& settings);

using InfluxTags = std::vector<std::pair<std::string, std::string>>;
// "verdict,sensor=pump\ 1 score=0.5,state=\"open\" 1700000000000000000": numbers are floats (as Telegraf makes them),
// members that are null, lists or objects are left out. Empty where no field is left.
std::string influx_line(const std::string& measurement, const InfluxTags& tags, const Json& fields, Nanoseconds time);

struct LineWriterCounts {
  std::int64_t written = 0, dropped = 0, waiting = 0;
};

class LineWriter {
 public:
  // Throws UsageError for a URL that is none.
  LineWriter(const InfluxWriteSettings& settings, const HttpClientSettings& http);
  ~LineWriter();  // waits for nothing
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  void put(std::string line);
  // Waits until all is written, at most so long; what is left is dropped. A server that fails
  // twice is waited for no longer.
  void finish(Duration timeout);
  LineWriterCounts counts() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anomctl
