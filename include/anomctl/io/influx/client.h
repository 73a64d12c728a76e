// InfluxDB v2 by its HTTP API: set-up, buckets, templates. Thread rule: one thread an object; calls block.
// Source: https://docs.influxdata.com/influxdb/v2/api/ (API of 2.7).
#pragma once

#include <cstdint>
#include <string>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"
#include "anomctl/core/json.h"
#include "anomctl/io/net/http_client.h"

namespace anomctl {

struct InfluxServerSettings {
  std::string influx_url = "http://127.0.0.1:8086";
  std::string influx_org = "windmill";
  std::string influx_bucket = "sensors";
  std::string influx_token;

  static void fields(auto& self, auto&& field) {
    field("influx_url", self.influx_url, "InfluxDB v2: http(s)://HOST[:PORT]");
    field("influx_org", self.influx_org, "organisation in InfluxDB");
    field("influx_bucket", self.influx_bucket, "bucket that holds readings and verdicts");
    field("influx_token", self.influx_token, "API token", Secret{});
  }
};

// Whether InfluxDB takes it: 0 (for ever) or an hour and more.
inline bool is_retention(std::int64_t seconds) { return seconds == 0 || seconds >= 3600; }

class InfluxClient {
 public:
  InfluxClient(const InfluxServerSettings& settings, const HttpClientSettings& http);

  // Waits until it says that it is healthy. Throws Error(unreachable) after the timeout.
  void wait_until_healthy(Duration timeout);
  // The first user, organisation, bucket and token of a new InfluxDB. False: it was set up before. retention_s 0: for
  // ever.
  bool set_up(const std::string& user, const std::string& password, std::int64_t retention_s);
  // Throws Error(failed) where there is none of that name or the token does not see it.
  std::string organisation_id();
  // Makes the bucket where it is not there; true when it made it.
  bool make_bucket(const std::string& organisation_id, std::int64_t retention_s);
  // Applies template documents (arrays of objects) as the stack of this name: what the stack made before is updated.
  // Returns the server's summary. Throws Error(failed) with the server's reason when a document is refused.
  Json apply_templates(const std::string& organisation_id, const std::string& stack,
                       const std::vector<Json>& documents);

 private:
  Json call(const char* method, const std::string& target, const Json* body, int wanted, const std::string& what);
  std::string stack_id(const std::string& organisation_id, const std::string& stack);

  InfluxServerSettings settings_;
  HttpClient http_;
};

}  // namespace anomctl
