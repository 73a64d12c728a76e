// One request on its way to its answer: what every answer has in common (request id, compression, access log, metrics)
// happens here, once. Thread rule: one owner at a time; it may pass from thread to thread.
#pragma once

#include <memory>
#include <string>

#include "anomctl/core/time.h"
#include "anomctl/io/metrics/metrics.h"
#include "anomctl/io/net/http_server.h"

namespace anomctl::serve {

void declare_http_metrics(Metrics& metrics);

class Exchange {
 public:
  struct Settings {
    bool access_log = true;
    bool gzip_answers = true;
  };
  Exchange(HttpRequest request, Reply reply, Metrics& metrics, Settings settings);

  const HttpRequest& request() const { return request_; }
  // The body, unpacked where the client sent it packed.
  std::string& body() { return request_.body; }
  const std::string& id() const { return id_; }
  double seconds() const;

  // Set by the router: "/v2/models/{model_name}/infer"; empty for a path that is not known.
  std::string route;
  bool counted = true;  // health checks are not counted, as MLServer has it
  std::string user;     // who asked, where that is known

  // Exactly once.
  void answer(HttpResponse response);

 private:
  HttpRequest request_;
  Reply reply_;
  Metrics& metrics_;
  const Settings settings_;
  const Nanoseconds start_;
  std::string id_;
};

using ExchangePtr = std::shared_ptr<Exchange>;

}  // namespace anomctl::serve
