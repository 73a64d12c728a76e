// The V2 Open Inference Protocol over HTTP, as MLServer 1.7.1 speaks it (docs/serving.md lists the differences), with
// MLflow's /ping and /invocations. Thread rule: `handle` may be called from several threads at once; it never blocks.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "anomctl/io/metrics/metrics.h"
#include "anomctl/io/net/http_server.h"
#include "roles/serve/access.h"
#include "roles/serve/exchange.h"
#include "roles/serve/repository.h"
#include "roles/serve/router.h"
#include "roles/serve/window_request.h"

namespace anomctl::serve {

struct V2Settings {
  std::string version;  // of this program
  std::size_t max_body_bytes = 64 * kMiB;
  std::size_t max_windows = 4096;  // of one request
  v2::InferLimits limits;
  Exchange::Settings exchange;
};

class V2Service {
 public:
  V2Service(V2Settings settings, Repository& repository, Metrics& metrics);

  void handle(HttpRequest request, Reply reply);
  // Whether `handle` will refuse a request with this header whatever its body: the body need not be read.
  bool refuses(const HttpRequest& header) const;
  // Decides, at once or later and from another thread, whether the request may do what `scope` names. Set before the
  // first request; empty: all may.
  std::function<void(const HttpRequest& request, Scope scope, Access::Decided decided)> authorize;
  // Whether `authorize` will refuse without a second thought. Empty: it never does.
  std::function<bool(const HttpRequest& header, Scope scope)> would_refuse;
  // From now on /v2/health/ready says 503 and why.
  void set_not_ready(std::string reason);
  std::string not_ready() const;

 private:
  void add_health_routes();
  void add_model_routes();
  void add_repository_routes();
  void add_mlflow_routes();
  void add_docs_routes();
  void go_on(const ExchangePtr& exchange, const Router::Match& match);
  enum class Form { tensors, event_stream, predictions };
  // What the answer to an inference is made of. It does not keep the model alive, only what it says of itself.
  struct Inference {
    ExchangePtr exchange;
    std::string model, asked_version;  // "None" where the path names no version, as MLServer labels it
    std::string version;
    std::shared_ptr<const Bundle> bundle;
    v2::InferRequest request;
    Form form = Form::tensors;
  };
  void infer(const ExchangePtr& exchange, const PathValues& values, Form form);
  void invocations(const ExchangePtr& exchange);
  void judge(std::shared_ptr<Inference> inference, std::shared_ptr<ServedModel> served);
  void finish(Inference& inference, BatchOutcome outcome);
  void refuse(const Inference& inference, HttpResponse response);
  // The model that a path names; answers 404 or 503 itself where there is none.
  std::shared_ptr<ServedModel> find(const ExchangePtr& exchange, const PathValues& values);

  const V2Settings settings_;
  Repository& repository_;
  Metrics& metrics_;
  Router router_;
  mutable std::mutex mutex_;
  std::string not_ready_;  // under mutex_
};

}  // namespace anomctl::serve
