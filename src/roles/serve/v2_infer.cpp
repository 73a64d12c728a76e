// The part of V2Service that judges windows.
#include <charconv>

#include "anomctl/core/files.h"
#include "roles/serve/mlflow_invocation.h"
#include "roles/serve/serve_metrics.h"
#include "roles/serve/v2_service.h"

namespace anomctl::serve {

namespace {

// 8-4-4-4-12 as RFC 4122, version 4.
std::string new_uuid() {
  std::string hex = random_hex(16);
  hex[12] = '4';
  hex[16] = "89ab"[hex[16] % 4];
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

HttpResponse response_of(const v2::Refusal& refusal) { return json_response(refusal.status, refusal.body); }

bool is_json(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  return type.empty() || equal_ignoring_case(type, "application/json") || type.ends_with("+json");
}

// The header Inference-Header-Content-Length; false when it is no number.
bool json_length(const HttpRequest& request, std::optional<std::uint64_t>& length) {
  const std::string_view text = request.headers.get("inference-header-content-length");
  if (text.empty()) return true;
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return false;
  length = value;
  return true;
}

constexpr std::size_t kLongestHeaderId = 256;

// The CloudEvents headers that MLServer puts on every inference.
void add_event_headers(HttpResponse& response, const std::string& model, const std::string& id) {
  response.headers.add("ce-specversion", "0.3");
  response.headers.add("ce-source", "io.seldon.serving.deployment.anomctl");
  response.headers.add("ce-type", "io.seldon.serving.inference.response");
  response.headers.add("ce-modelid", model);
  response.headers.add("ce-inferenceservicename", "anomctl");
  response.headers.add("ce-endpoint", model);
  if (id.size() > kLongestHeaderId) return;  // clients refuse header lines of 64 KiB
  response.headers.add("ce-id", id);
  response.headers.add("ce-requestid", id);
}

}  // namespace

void V2Service::infer(const ExchangePtr& exchange, const PathValues& values, Form form) {
  auto inference = std::make_shared<Inference>();
  inference->exchange = exchange;
  inference->asked_version = values.size() > 1 ? values[1] : "None";
  inference->form = form;
  const auto served = find(exchange, values);
  if (!served) {
    // Names that nobody serves share one label: a scanner must not fill the memory with names.
    metrics_.add("model_infer_request_failure_total", infer_labels("unknown", "None"));
    return;
  }
  inference->model = served->name;
  std::optional<std::uint64_t> json_bytes;
  if (!json_length(exchange->request(), json_bytes))
    return refuse(*inference, error_response(400, "Inference-Header-Content-Length is no number"));
  if (!json_bytes && !is_json(exchange->request().headers.get("content-type")))
    return refuse(*inference,
                  response_of(v2::unprocessable("model_attributes_type", R"(["body"])",
                                                "Input should be a valid dictionary or object to extract fields from",
                                                Json(exchange->body()).dump())));
  auto parsed = v2::parse_infer_request(exchange->body(), json_bytes, settings_.limits);
  if (const auto* refusal = std::get_if<v2::Refusal>(&parsed)) return refuse(*inference, response_of(*refusal));
  inference->request = std::move(std::get<v2::InferRequest>(parsed));
  exchange->body() = {};  // what waits for its turn needs it no more
  judge(std::move(inference), served);
}

void V2Service::invocations(const ExchangePtr& exchange) {
  auto inference = std::make_shared<Inference>();
  inference->exchange = exchange;
  inference->asked_version = "None";
  inference->form = Form::predictions;
  // MLflow's server has one model and no names.
  const Json index = repository_.index(true);
  if (index.size() == 0) return exchange->answer(error_response(404, "no model is loaded"));
  const auto served = find(exchange, {index.as_array().front().at("name").as_string()});
  if (!served) return;
  inference->model = served->name;
  auto parsed = read_invocation(exchange->body(), exchange->request().headers.get("content-type"), *served->bundle,
                                settings_.limits);
  if (const auto* refusal = std::get_if<v2::Refusal>(&parsed)) return refuse(*inference, response_of(*refusal));
  inference->request = std::move(std::get<v2::InferRequest>(parsed));
  exchange->body() = {};
  judge(std::move(inference), served);
}

void V2Service::judge(std::shared_ptr<Inference> inference, std::shared_ptr<ServedModel> served) {
  // A model that is replaced between `find` and `submit` no longer takes requests: its successor does.
  for (int attempt = 0; attempt < 8; ++attempt) {
    auto windows = windows_of(inference->request, *served, settings_.max_windows);
    if (const auto* refusal = std::get_if<v2::Refusal>(&windows)) return refuse(*inference, response_of(*refusal));
    auto& made = std::get<WindowRequest>(windows);
    inference->bundle = served->bundle;
    inference->version = served->version;
    BatchJob job{std::move(made.windows), std::move(made.missing), made.n,
                 [this, inference](BatchOutcome outcome) { finish(*inference, std::move(outcome)); }};
    switch (served->batcher->submit(job)) {
      case Batcher::Submitted::taken:
        return;
      case Batcher::Submitted::full: {
        metrics_.add("anomctl_shed_total", {{"reason", "queue_full"}});
        HttpResponse response = error_response(429, "too many windows wait to be scored: try again later");
        response.headers.add("retry-after", std::to_string(served->batcher->retry_after()));
        return refuse(*inference, std::move(response));
      }
      case Batcher::Submitted::closed:
        break;
    }
    const std::string version = inference->asked_version == "None" ? "" : inference->asked_version;
    std::shared_ptr<ServedModel> successor;
    if (repository_.find(inference->model, version, successor) != Repository::Found::ready)
      return refuse(*inference, error_response(404, "Model " + inference->model + " not found"));
    served = std::move(successor);
  }
  refuse(*inference, error_response(503, "model " + inference->model + " is being replaced: try again"));
}

void V2Service::finish(Inference& inference, BatchOutcome outcome) {
  if (!outcome.error.empty()) return refuse(inference, error_response(500, outcome.error));
  const auto threshold = inference.bundle->threshold();
  HttpResponse response;
  if (inference.form == Form::predictions) {
    Json body = Json::object();
    body["predictions"] = outcome.scores.score;
    response = json_response(200, body.dump());
  } else {
    v2::InferResponse answer;
    answer.model_name = inference.model;
    answer.model_version = inference.version;
    answer.id = inference.request.id.empty() ? new_uuid() : inference.request.id;
    answer.parameters = "\"content_type\":\"np\"";
    if (threshold) answer.parameters += ",\"threshold\":" + shortest(*threshold);
    answer.outputs = outputs_of(inference.request, outcome.scores, threshold);
    v2::EncodedResponse encoded = v2::encode(answer);
    if (inference.form == Form::event_stream) {
      response.headers.add("content-type", "text/event-stream; charset=utf-8");
      response.body = "data: " + encoded.body + "\n\n";
    } else {
      response = json_response(200, std::move(encoded.body));
      if (encoded.json_bytes) {
        response.headers.set("content-type", "application/octet-stream");
        response.headers.add("inference-header-content-length", std::to_string(*encoded.json_bytes));
      }
    }
    add_event_headers(response, inference.model, answer.id);
  }
  const MetricLabels model{{"model", inference.model}};
  metrics_.observe("anomctl_batch_windows", model, static_cast<double>(outcome.batch));
  metrics_.observe("anomctl_queue_seconds", model, outcome.queued_s);
  metrics_.observe("anomctl_scoring_seconds", model, outcome.scored_s);
  count_scores(metrics_, inference.model, outcome.scores, threshold);
  const MetricLabels labels = infer_labels(inference.model, inference.asked_version);
  metrics_.add("model_infer_request_success_total", labels);
  metrics_.observe("model_infer_request_duration", labels, inference.exchange->seconds());
  inference.exchange->answer(std::move(response));
}

void V2Service::refuse(const Inference& inference, HttpResponse response) {
  metrics_.add("model_infer_request_failure_total", infer_labels(inference.model, inference.asked_version));
  inference.exchange->answer(std::move(response));
}

}  // namespace anomctl::serve
