// The points of a range of time from a running InfluxDB v2, slice by slice in order of time: as annotated CSV, one whole
// answer at a time, so that memory is bounded and a slice whose answer broke off is asked for again without a point
// lost or doubled. Slices grow and shrink so that an answer has a few MiB. Thread rule: one thread an object; `next`
// blocks.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "anomctl/core/fields.h"
#include "anomctl/io/influx/flux.h"
#include "anomctl/io/net/backoff.h"
#include "anomctl/io/net/http_client.h"

namespace anomctl {

struct InfluxReadSettings {
  std::string influx_url, influx_org, influx_bucket, influx_token;
  fs::path ca_file;

  static void fields(auto& self, auto&& field) {
    field("influx_url", self.influx_url, "influx: read from this running InfluxDB 2: http(s)://HOST[:PORT]");
    field("influx_org", self.influx_org, "influx: organisation in InfluxDB");
    field("influx_bucket", self.influx_bucket, "influx: bucket in InfluxDB");
    field("influx_token", self.influx_token, "influx: token that may read there", Secret{});
    field("ca_file", self.ca_file,
          "influx: certificates that an https:// server is checked against (default: the system's)");
  }
};
// Throws UsageError for settings that do not go together.
void validate(const InfluxReadSettings& settings);

class SlicedQuery {
 public:
  struct Range {
    Nanoseconds start = 0, stop = 0;  // [start, stop)
  };
  // How long to wait before a try; tests wait less.
  using Pause = std::function<void(Duration)>;

  SlicedQuery(const InfluxReadSettings& settings, FluxSelection selection, Range range, std::stop_token stop,
              Pause pause = {});

  // The next slice's answer; nothing at the end. Throws Error(failed) for what the server refuses, Error(unreachable)
  // where it does not answer in several tries, and Error(failed) when `stop` came.
  std::optional<std::string> next();
  // Up to where the range has been read.
  Nanoseconds done() const { return at_; }
  const std::string& where() const { return where_; }  // "InfluxDB http://..., bucket 'b'"

 private:
  // Empty: `answer` is whole. Else why it has to be asked for again.
  std::string ask(Nanoseconds stop, std::string& answer);
  void adapt(std::size_t bytes);

  InfluxReadSettings settings_;
  FluxSelection selection_;
  Range range_;
  std::stop_token stop_;
  Pause pause_;
  HttpClient http_;
  Backoff backoff_;
  std::string where_;
  Nanoseconds at_, slice_;
  bool answered_ = false;
};

}  // namespace anomctl
