#include "roles/serve/served_model.h"

#include "anomctl/detection/replay.h"

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

}  // namespace

std::shared_ptr<ServedModel> load_served_model(const ModelSource& source, const ModelFactory& factory,
                                               const BatchSettings& batching) {
  auto served = std::make_shared<ServedModel>();
  auto bundle = std::make_shared<Bundle>(load_bundle(source.folder));
  served->name = source.name.empty() ? bundle->name : source.name;
  served->version = source.version;
  if (!source.id.empty()) bundle->name = source.id;
  served->model = factory(*bundle);
  served->bundle = std::move(bundle);
  self_test(*served->bundle, *served->model);
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
