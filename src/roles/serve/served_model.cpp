#include "roles/serve/served_model.h"

#include <cmath>

#include "anomctl/core/error.h"

namespace anomctl::serve {

namespace {

Json tensor_metadata(const char* name, const char* datatype, Json::Array shape) {
  Json tensor = Json::object();
  tensor["name"] = name;
  tensor["datatype"] = datatype;
  tensor["shape"] = std::move(shape);
  Json parameters = Json::object();
  parameters["content_type"] = "np";
  tensor["parameters"] = std::move(parameters);
  return tensor;
}

// The middle of each sensor's range as the scaler knows it.
void self_test(const ServedModel& served) {
  const std::size_t w = served.window(), k = served.sensors();
  std::vector<double> window((w + 1) * k);
  for (std::size_t r = 0; r <= w; ++r)
    for (std::size_t c = 0; c < k; ++c) window[r * k + c] = served.bundle->scaler.unscale_value(c, 0.5);
  const WindowScores scores = score_windows(*served.bundle, *served.model, {1, window});
  if (!std::isfinite(scores.score.at(0)))
    throw failed("the self-test of model " + served.name + " gave no finite score");
}

}  // namespace

std::shared_ptr<ServedModel> load_served_model(const std::string& name, const std::string& version,
                                               const fs::path& folder, const ModelFactory& factory,
                                               const BatchSettings& batching) {
  auto served = std::make_shared<ServedModel>();
  auto bundle = std::make_shared<const Bundle>(load_bundle(folder));
  served->name = name.empty() ? bundle->name : name;
  served->version = version;
  served->model = factory(*bundle);
  served->bundle = std::move(bundle);
  self_test(*served);
  served->batcher = std::make_unique<Batcher>(
      batching,
      [b = served->bundle, m = served->model](const Windows& windows) { return score_windows(*b, *m, windows); });
  return served;
}

std::string model_metadata(const ServedModel& served) {
  const auto rows = static_cast<std::int64_t>(served.window() + 1), k = static_cast<std::int64_t>(served.sensors());
  Json body = Json::object();
  body["name"] = served.name;
  body["versions"] = Json::Array{served.version};
  body["platform"] = "anomctl_" + served.bundle->kind;
  body["inputs"] = Json::Array{tensor_metadata("input-0", "FP32", {-1, rows, k})};
  Json::Array outputs{tensor_metadata("score", "FP64", {-1})};
  const auto threshold = served.bundle->threshold();
  if (threshold) outputs.push_back(tensor_metadata("is_anomaly", "BOOL", {-1}));
  outputs.push_back(tensor_metadata("contribution", "FP64", {-1, k}));
  outputs.push_back(tensor_metadata("expected", "FP64", {-1, k}));
  if (served.bundle->panel != nullptr)
    outputs.push_back(tensor_metadata("members", "FP64", {-1, static_cast<std::int64_t>(kMemberParts), k}));
  body["outputs"] = std::move(outputs);
  Json parameters = Json::object();
  parameters["content_type"] = "np";
  parameters["threshold"] = threshold ? Json(*threshold) : Json();
  parameters["threshold_name"] = served.bundle->chosen_threshold;
  Json::Array columns, units;
  for (const Column& column : served.bundle->columns) {
    columns.push_back(column.name);
    units.push_back(column.unit);
  }
  parameters["columns"] = std::move(columns);
  parameters["units"] = std::move(units);
  parameters["window_size"] = static_cast<std::int64_t>(served.window());
  parameters["period_s"] = served.bundle->period_s;
  parameters["bundle"] = served.bundle->name;
  parameters["bundle_hash"] = served.bundle->hash;
  parameters["engine"] = served.model->engine();
  // How rows are scored, for who keeps the state between rows.
  parameters["detector"] = bundle_for_client(*served.bundle);
  body["parameters"] = std::move(parameters);
  return body.dump();
}

}  // namespace anomctl::serve
