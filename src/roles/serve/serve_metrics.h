// The numbers of serving: MLServer's names where it has them, then ours. Thread rule: as Metrics.
#pragma once

#include <string>

#include "anomctl/detection/replay.h"
#include "anomctl/io/metrics/metrics.h"

namespace anomctl::serve {

void declare_serve_metrics(Metrics& metrics);

// Labels of model_infer_request_*.
MetricLabels infer_labels(const std::string& model, const std::string& asked_version);
void count_scores(Metrics& metrics, const std::string& model, const WindowScores& scores,
                  std::optional<double> threshold);

}  // namespace anomctl::serve
