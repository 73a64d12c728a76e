// The numbers of serving: MLServer's names where it has them, then ours. Thread rule: as Metrics.
#pragma once

#include <string>

#include "anomctl/detection/replay.h"
#include "anomctl/io/metrics/metrics.h"
#include "roles/serve/served_model.h"

namespace anomctl::serve {

void declare_serve_metrics(Metrics& metrics);

// Labels of model_infer_request_*.
MetricLabels infer_labels(const std::string& model, const std::string& asked_version);
// Tells which model is served: anomctl_model_info, anomctl_threshold, and reloads. Either may be null.
void show_model(Metrics& metrics, const ServedModel* before, const ServedModel* now);
void count_scores(Metrics& metrics, const std::string& model, const WindowScores& scores,
                  std::optional<double> threshold);

}  // namespace anomctl::serve
