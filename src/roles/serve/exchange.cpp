#include "roles/serve/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "anomctl/core/files.h"
#include "anomctl/core/log.h"
#include "anomctl/core/text.h"
#include "anomctl/io/net/gzip.h"

namespace anomctl::serve {

namespace {

constexpr std::size_t kSmallestPacked = 500;  // bytes; below, MLServer does not pack either

// The client's id where it is harmless in logs and headers, else a new one.
std::string request_id(const HttpRequest& request) {
  const std::string_view given = request.headers.get("x-request-id");
  const bool harmless =
      !given.empty() && given.size() <= 128 && std::all_of(given.begin(), given.end(), [](unsigned char c) {
        return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == ':';
      });
  return harmless ? std::string(given) : random_hex(8);
}

// Whether Accept-Encoding names gzip (or *) with a weight above 0.
bool accepts_gzip(const HttpRequest& request) {
  std::string_view left = request.headers.get("accept-encoding");
  bool any = false;
  while (!left.empty()) {
    const std::size_t comma = left.find(',');
    std::string_view coding = left.substr(0, comma);
    left = comma == std::string_view::npos ? std::string_view() : left.substr(comma + 1);
    bool wanted = true;
    if (const std::size_t at = coding.find(';'); at != std::string_view::npos) {
      const std::string_view weight = trim(coding.substr(at + 1));
      wanted = !weight.starts_with("q=0") || weight.find_first_of("123456789") != std::string_view::npos;
      coding = coding.substr(0, at);
    }
    if (equal_ignoring_case(trim(coding), "gzip")) return wanted;
    if (trim(coding) == "*") any = wanted;
  }
  return any;
}

// Made-up methods share one name: a scanner must not fill the memory with names.
std::string method_label(const std::string& method) {
  for (const char* known : {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"})
    if (method == known) return method;
  return "other";
}

// Nothing that could break a log line.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 256)) out += std::isprint(static_cast<unsigned char>(c)) ? c : '?';
  return out;
}

}  // namespace

void declare_http_metrics(Metrics& metrics) {
  metrics.declare_gauge("rest_server_requests_in_progress", "Total HTTP requests currently in progress");
  metrics.declare_counter("rest_server_requests_total", "Total HTTP requests");
  metrics.declare_histogram("rest_server_request_duration_seconds", "HTTP request duration, in seconds",
                            {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10});
}

Exchange::Exchange(HttpRequest request, Reply reply, Metrics& metrics, Settings settings)
    : request_(std::move(request)),
      reply_(std::move(reply)),
      metrics_(metrics),
      settings_(settings),
      start_(system_clock().steady()),
      id_(request_id(request_)) {
  metrics_.change("rest_server_requests_in_progress",
                  {{"app_name", "anomctl"}, {"method", method_label(request_.method)}}, 1);
}

double Exchange::seconds() const { return static_cast<double>(system_clock().steady() - start_) / 1e9; }

void Exchange::answer(HttpResponse response) {
  response.headers.add("x-request-id", id_);
  if (settings_.gzip_answers && response.body.size() >= kSmallestPacked && !response.headers.find("content-encoding")) {
    if (accepts_gzip(request_)) {
      response.body = gzip(response.body);
      response.headers.add("content-encoding", "gzip");
    }
    response.headers.add("vary", "Accept-Encoding");
  }
  const double took = seconds();
  metrics_.change("rest_server_requests_in_progress",
                  {{"app_name", "anomctl"}, {"method", method_label(request_.method)}}, -1);
  // Paths that are not known share one name: a scanner must not fill the memory with names.
  if (counted) {
    const MetricLabels labels{{"app_name", "anomctl"},
                              {"method", method_label(request_.method)},
                              {"path", route.empty() ? "unknown" : route},
                              {"status_code", std::to_string(response.status)}};
    metrics_.add("rest_server_requests_total", labels);
    metrics_.observe("rest_server_request_duration_seconds", labels, took);
  }
  if (settings_.access_log && (counted || response.status >= 400))
    log_info("{} \"{} {}\" {} {} bytes {:.1f} ms id {}{}", request_.peer, printable(request_.method),
             printable(request_.path), response.status, response.body.size(), took * 1e3, id_,
             user.empty() ? "" : " by " + printable(user));
  reply_.send(std::move(response));
}

}  // namespace anomctl::serve
