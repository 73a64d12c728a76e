#include "commands/templates_apply.h"

#include <fmt/format.h>

#include <algorithm>

#include "anomctl/core/error.h"
#include "embedded/influxdb_dashboard.h"
#include "embedded/influxdb_variables.h"

namespace anomctl {
namespace {

constexpr const char* kStack = "anomctl";
constexpr std::size_t kShortestPassword = 8;

// The files name the bucket as the composition does.
Json with_bucket(std::string_view text, const std::string& bucket, const char* what) {
  constexpr std::string_view kNamed = "bucket: \\\"sensors\\\"";
  std::string rendered;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t found = text.find(kNamed, at);
    rendered += text.substr(at, found == text.npos ? text.npos : found - at);
    if (found == text.npos) break;
    rendered += fmt::format("bucket: \\\"{}\\\"", bucket);
    at = found + kNamed.size();
  }
  return Json::parse(rendered, what);
}

std::size_t count(const Json& summary, std::string_view key) {
  const Json* list = summary.find(key);
  return list == nullptr ? 0 : list->size();
}

int run(const TemplatesApplyOptions& options, Context& context) {
  if (options.influx.influx_token.empty()) throw UsageError("give influx-token-file (set-auth writes one)");
  if (options.set_up && options.influxdb_pass.size() < kShortestPassword)
    throw UsageError("set-up needs influxdb-pass-file, with at least 8 characters");
  const std::string& bucket = options.influx.influx_bucket;
  const bool control =
      std::any_of(bucket.begin(), bucket.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (bucket.empty() || control || bucket.find_first_of("\"\\") != std::string::npos)
    throw UsageError(fmt::format("influx-bucket '{}' cannot be a bucket's name", bucket));
  const std::int64_t retention_s = options.retention.ns / kSecond;
  // InfluxDB refuses it only when its user is made already, and is then neither new nor set up.
  if (!is_retention(retention_s)) throw UsageError("retention is 0 (for ever), or an hour and more");
  HttpClientSettings http;
  http.ca_file = options.ca_file;
  InfluxClient client(options.influx, http);
  client.wait_until_healthy(options.wait);
  const bool was_new = options.set_up && client.set_up(options.influxdb_user, options.influxdb_pass, retention_s);
  const std::string organisation = client.organisation_id();
  const bool made_bucket = was_new || client.make_bucket(organisation, retention_s);
  const Json summary =
      client.apply_templates(organisation, kStack,
                             {with_bucket(embedded::influxdb_variables, options.influx.influx_bucket, "variables"),
                              with_bucket(embedded::influxdb_dashboard, options.influx.influx_bucket, "dashboard")});
  context.result["set_up"] = was_new;
  context.result["made_bucket"] = made_bucket;
  context.result["dashboards"] = count(summary, "dashboards");
  context.result["variables"] = count(summary, "variables");
  context.text(fmt::format("{}{} dashboard and {} variables are in {} of {}", was_new ? "InfluxDB was set up; " : "",
                           count(summary, "dashboards"), count(summary, "variables"), options.influx.influx_org,
                           options.influx.influx_url));
  return 0;
}

}  // namespace

CommandSpec templates_apply_command() {
  return make_command<TemplatesApplyOptions>(
      "templates apply", "Deployment", "Put the dashboard into InfluxDB, and set a new InfluxDB up",
      {"anomctl templates apply --influx-token-file compose/secrets/influxdb_token",
       "anomctl templates apply --set-up --influx-token-file compose/secrets/influxdb_token --influxdb-pass-file "
       "compose/secrets/influxdb_pass"},
      run);
}

}  // namespace anomctl
