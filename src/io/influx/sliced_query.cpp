#include "anomctl/io/influx/sliced_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/core/log.h"
#include "io/influx/reason.h"

namespace anomctl {
namespace {

constexpr Nanoseconds kFirstSlice = kHour, kShortestSlice = kMillisecond, kLongestSlice = 90 * kDay;
constexpr std::size_t kWantedBytes = 4 * kMiB;  // of an answer
constexpr std::uint64_t kMostBytes = 64 * kMiB;
constexpr int kTries = 8, kTriesBeforeAny = 3;
constexpr double kMostGrowth = 8;

HttpClientSettings http_settings(const InfluxReadSettings& settings) {
  HttpClientSettings http;
  http.ca_file = settings.ca_file;
  http.timeout = seconds(60);
  http.max_body_bytes = kMostBytes;
  return http;
}

// An error after the answer has begun comes as a last table with the columns error and reference.
std::string late_error(const std::string& body) {
  for (const char* header : {"\n,error,reference\r\n", "\nerror,reference\r\n"}) {
    const std::size_t at = body.rfind(header);
    if (at == std::string::npos) continue;
    const std::size_t from = at + std::string_view(header).size();
    return body.substr(from, std::min<std::size_t>(200, body.find_first_of("\r\n", from) - from));
  }
  return {};
}

bool tells_its_length(const HttpResponse& answer) {
  return answer.headers.find("content-length") != nullptr || answer.headers.find("transfer-encoding") != nullptr;
}

void pause_in_steps(Duration duration, const std::stop_token& stop) {
  const Nanoseconds end = system_clock().steady() + duration.ns;
  while (!stop.stop_requested() && system_clock().steady() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

}  // namespace

void validate(const InfluxReadSettings& settings) {
  if (settings.influx_url.empty()) throw UsageError("influx_org, influx_bucket and influx_token need influx_url");
  parse_http_url(settings.influx_url);
  if (settings.influx_org.empty() || settings.influx_bucket.empty())
    throw UsageError("influx_url needs influx_org and influx_bucket");
  const std::string& token = settings.influx_token;
  if (std::any_of(token.begin(), token.end(), [](char c) { return c < ' ' || c > '~'; }))
    throw UsageError("influx_token holds a character that no token has");
}

SlicedQuery::SlicedQuery(const InfluxReadSettings& settings, FluxSelection selection, Range range, std::stop_token stop,
                         Pause pause)
    : settings_(settings),
      selection_(std::move(selection)),
      range_(range),
      stop_(std::move(stop)),
      pause_(std::move(pause)),
      http_(settings.influx_url, http_settings(settings)),
      backoff_({250 * kMillisecond}, seconds(5)),
      where_(fmt::format("InfluxDB {}, bucket '{}'", settings.influx_url, settings.influx_bucket)),
      at_(range.start),
      slice_(kFirstSlice) {
  selection_.bucket = settings_.influx_bucket;
  if (!settings_.influx_token.empty()) http_.headers.set("Authorization", "Token " + settings_.influx_token);
  if (!pause_) pause_ = [this](Duration duration) { pause_in_steps(duration, stop_); };
}

std::string SlicedQuery::ask(Nanoseconds stop, std::string& answer) {
  Json body = Json::object();
  body["query"] = flux_query(selection_, at_, stop);
  body["type"] = "flux";
  body["dialect"] = Json::object();
  body["dialect"]["annotations"] = Json(Json::Array{"group", "datatype", "default"});
  body["dialect"]["header"] = true;
  body["dialect"]["delimiter"] = ",";
  HttpResponse response;
  try {
    response = http_.post("/api/v2/query?org=" + percent_encode(settings_.influx_org), body.dump());
  } catch (const Error& error) {
    if (error.code() != ExitCode::unreachable) throw;
    return error.what();
  }
  if (response.status == 429 || response.status >= 500) return influx_reason(response);
  if (response.status != 200) {
    const std::string text = fmt::format("{}: {}", where_, influx_reason(response));
    if (response.status == 401) throw failed(text + " (check influx-token-file)");
    throw failed(response.status == 404 ? text + " (is it there, and may this token read it?)" : text);
  }
  if (!tells_its_length(response)) return "an answer whose end cannot be told from a connection that broke";
  if (std::string error = late_error(response.body); !error.empty()) return error;
  answer = std::move(response.body);
  return {};
}

void SlicedQuery::adapt(std::size_t bytes) {
  const double factor = bytes <= 2 ? kMostGrowth : static_cast<double>(kWantedBytes) / static_cast<double>(bytes);
  slice_ = std::clamp(static_cast<Nanoseconds>(static_cast<double>(slice_) * std::clamp(factor, 0.1, kMostGrowth)),
                      kShortestSlice, kLongestSlice);
}

std::optional<std::string> SlicedQuery::next() {
  if (at_ >= range_.stop) return std::nullopt;
  for (int tries = 1;; ++tries) {
    if (stop_.stop_requested()) throw failed("stopped");
    const Nanoseconds stop = range_.stop - at_ <= slice_ ? range_.stop : at_ + slice_;
    std::string answer;
    const std::string why = ask(stop, answer);
    if (why.empty()) {
      at_ = stop;
      adapt(answer.size());
      answered_ = true;
      backoff_.reset();
      return answer;
    }
    if (tries == (answered_ ? kTries : kTriesBeforeAny))
      throw unreachable_error(
          fmt::format("{}: the points from {} on were asked for {} times: {}", where_, format_stamp(at_), tries, why));
    log_info("{}: {} to {} is asked for again: {}", where_, format_stamp(at_), format_stamp(stop), why);
    // Too much for one answer, perhaps: it may have been too long, or taken too long.
    slice_ = std::max(slice_ / 8, kShortestSlice);
    pause_(backoff_.next());
  }
}

}  // namespace anomctl
