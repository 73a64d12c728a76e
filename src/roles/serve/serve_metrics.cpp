#include "roles/serve/serve_metrics.h"

#include <algorithm>
#include <cmath>

namespace anomctl::serve {

void declare_serve_metrics(Metrics& metrics) {
  metrics.declare_counter("model_infer_request_success_total", "Model infer request success count");
  metrics.declare_counter("model_infer_request_failure_total", "Model infer request failure count");
  metrics.declare_summary("model_infer_request_duration", "Model infer request duration");
  metrics.declare_histogram("anomctl_batch_windows", "Windows that were scored together",
                            {1, 2, 4, 8, 16, 32, 64, 128, 256, 1024});
  metrics.declare_histogram("anomctl_queue_seconds", "Time a request waited for its batch",
                            {0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5});
  metrics.declare_histogram("anomctl_scoring_seconds", "Time a batch took to score",
                            {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5});
  metrics.declare_histogram("anomctl_score", "Scores of windows",
                            {0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 1000});
  metrics.declare_counter("anomctl_windows_total", "Windows scored");
  metrics.declare_counter("anomctl_anomalies_total", "Windows over the limit of their model");
  metrics.declare_counter("anomctl_shed_total", "Requests refused because of load, by reason");
  metrics.declare_counter("anomctl_refused_total", "Requests refused before they were read, by status");
  metrics.declare_counter("anomctl_access_refused_total", "Requests that were not allowed, by status");
  metrics.declare_counter("anomctl_model_loads_total", "Loads of a model, by result");
  metrics.declare_counter("anomctl_model_reloads_total", "Times a served model was replaced by another");
  metrics.declare_gauge("anomctl_model_info", "1 for each served model, with its version and bundle");
  metrics.declare_gauge("anomctl_threshold", "The limit in force of each model");
  metrics.declare_gauge("anomctl_ready", "1 while /v2/health/ready answers 200");
}

MetricLabels infer_labels(const std::string& model, const std::string& asked_version) {
  return {{"model", model}, {"version", asked_version}};
}

void show_model(Metrics& metrics, const ServedModel* before, const ServedModel* now) {
  const auto name = [](const ServedModel& served) {
    return MetricLabels{{"model", served.name}, {"version", served.version}};
  };
  const auto info = [&](const ServedModel& served) {
    MetricLabels labels = name(served);
    labels["bundle"] = served.bundle->name;
    labels["bundle_hash"] = served.bundle->hash.substr(0, 12);
    labels["engine"] = served.model->engine();
    return labels;
  };
  if (before) {
    metrics.remove("anomctl_model_info", info(*before));
    metrics.remove("anomctl_threshold", name(*before));
  }
  if (!now) return;
  metrics.set("anomctl_model_info", info(*now), 1);
  if (const auto threshold = now->bundle->threshold()) metrics.set("anomctl_threshold", name(*now), *threshold);
  metrics.add("anomctl_model_reloads_total", name(*now), before ? 1 : 0);
}

void count_scores(Metrics& metrics, const std::string& model, const WindowScores& scores,
                  std::optional<double> threshold) {
  const MetricLabels labels{{"model", model}};
  for (const double score : scores.score)
    if (std::isfinite(score)) metrics.observe("anomctl_score", labels, score);  // NaN would stay in the sum for good
  metrics.add("anomctl_windows_total", labels, static_cast<double>(scores.score.size()));
  if (!threshold) return;
  const auto over = std::count_if(scores.score.begin(), scores.score.end(), [&](double s) { return s >= *threshold; });
  metrics.add("anomctl_anomalies_total", labels, static_cast<double>(over));
}

}  // namespace anomctl::serve
